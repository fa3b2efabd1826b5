/// Where the tensors of diffusers stand in a single file as the original implementation of Stable Diffusion wrote it.
///
/// Everything follows from the model's configurations: names, extents, and which tensors are parts of one. Every
/// parameter has one place and every place one parameter, so the layout is read in both directions.
struct SingleFileLayout {
  /// A tensor of the file, or some rows of it.
  struct Place: Hashable {
    /// The tensor's name in the file.
    let name: String
    /// The extents of the parameter as the original implementation has them.
    let shape: Shape
    /// The rows of the tensor that are the parameter; all of them if nil.
    let rows: Range<Int>?
  }

  /// The text encoder whose names and form a file follows.
  enum TextLayout: Sendable {
    /// CLIP ViT-L as transformers has it: Stable Diffusion 1.
    case clip
    /// OpenCLIP: Stable Diffusion 2.
    case openCLIP

    /// What the encoder's names begin with.
    var prefix: String {
      switch self {
      case .clip: "cond_stage_model.transformer."
      case .openCLIP: "cond_stage_model.model."
      }
    }
  }

  static let unetPrefix = "model.diffusion_model."
  static let autoencoderPrefix = "first_stage_model."

  /// The form of the text encoder.
  let text: TextLayout
  /// The number of the text encoder's layers that are used.
  private let textLayers: Int
  private let unetNames: UNetNames
  private let autoencoderNames: AutoencoderNames

  /// The layout of a model.
  ///
  /// OpenCLIP is told by its activation, the exact GELU, which CLIP ViT-L does not have.
  init(unet: UNetConfiguration, text: TextConfiguration, autoencoder: AutoencoderConfiguration) {
    unetNames = UNetNames(unet)
    autoencoderNames = AutoencoderNames(autoencoder)
    self.text = text.activation == .gelu ? .openCLIP : .clip
    textLayers = text.layers
  }

  /// Where a parameter stands.
  func place(of parameter: ParameterSpecification, in part: ModelPart) -> Place {
    let (name, shape) = (parameter.name, parameter.shape)
    switch part {
    case .unet: return Place(name: Self.unetPrefix + unetNames.original(name), shape: shape, rows: nil)
    case .vae:
      // The original's attention consists of 1x1 convolutions.
      let isMatrix = shape.rank == 2
      return Place(
        name: Self.autoencoderPrefix + autoencoderNames.original(name),
        shape: isMatrix ? Shape(shape.dimensions + [1, 1]) : shape, rows: nil)
    case .textEncoder:
      guard text == .openCLIP else { return Place(name: text.prefix + name, shape: shape, rows: nil) }
      let place = OpenCLIPNames.original(name)
      return Place(
        name: text.prefix + place.name, shape: shape, rows: place.third.map { $0 * shape[0]..<($0 + 1) * shape[0] })
    }
  }

  /// Whether a tensor of a file belongs to a part and takes part in computing what the part is for.
  func isNeeded(_ name: String, of part: ModelPart) -> Bool {
    switch part {
    case .unet: return name.hasPrefix(Self.unetPrefix)
    case .vae: return name.hasPrefix(Self.autoencoderPrefix) && !name.hasPrefix("\(Self.autoencoderPrefix)loss.")
    case .textEncoder:
      guard name.hasPrefix(text.prefix), !name.hasSuffix("position_ids") else { return false }
      return text == .clip || OpenCLIPNames.isNeeded(String(name.dropFirst(text.prefix.count)), layers: textLayers)
    }
  }

  /// The name under which a file keeps the running average of a UNet's tensor, whose own name is given.
  static func averageName(_ name: String) -> String {
    let withoutModel = name.dropFirst("model.".count)
    return "model_ema." + withoutModel.split(separator: ".").joined()
  }
}
