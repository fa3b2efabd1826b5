/// How adapters are trained in place of the networks' own weights (Hu et al., 2022).
///
/// The names are PEFT's, and those of diffusers' `train_dreambooth_lora.py` where it has them.
public struct LoRAConfiguration: Sendable, Hashable, Codable {
  /// The number of rows of the first factor, and of columns of the second.
  public var rank = 4
  /// The strength: the product of the factors counts alpha / rank times (diffusers: always the rank).
  public var alpha: Float = 32
  /// The chance of each number that enters an adapter to be dropped while it is trained.
  public var dropout = 0.0
  /// The layers that get an adapter, by the ends of their names: in the UNet those of attention, and in the text encoder,
  /// where it is trained too, the same ones under its own names.
  public var targetModules = unetModules + textEncoderModules

  /// The default of training a LoRA, which stands more than a whole model does.
  public static let learningRate = 1e-4

  private static let unetModules = ["to_q", "to_k", "to_v", "to_out.0"]
  private static let textEncoderModules = ["q_proj", "k_proj", "v_proj", "out_proj"]

  /// Rank 4, alpha 32, on the attention of both networks.
  public init() {}

  enum CodingKeys: String, CodingKey {
    case rank
    case alpha = "lora_alpha"
    case dropout = "lora_dropout"
    case targetModules = "target_modules"
  }

  /// The name of the adapters in the names of parameters, PEFT's own.
  static let adapterName = "default"
  /// The greatest rank, which that of no layer exceeds.
  private static let greatestRank = 1 << 14

  /// Whether a layer gets an adapter: its name is one of the modules' or ends with one after a dot, as in PEFT.
  func adapts(_ layer: String) -> Bool { targetModules.contains { LoRAConfiguration.names($0, layer) } }

  static func names(_ module: String, _ layer: String) -> Bool { layer == module || layer.hasSuffix(".\(module)") }

  /// Refuses values that no adapter can have.
  ///
  /// - Throws: `TrainingOptionError`.
  public func validate() throws(TrainingOptionError) {
    func problem(_ text: String) -> TrainingOptionError { TrainingOptionError(.lora, text) }
    guard (1...LoRAConfiguration.greatestRank).contains(rank) else {
      throw problem("has --rank \(rank), which must be from 1 to \(LoRAConfiguration.greatestRank)")
    }
    guard alpha.isFinite, alpha != 0 else {
      throw problem("has --lora_alpha \(alpha), which must be a number and not 0")
    }
    guard (0..<1).contains(dropout) else {
      throw problem("has --lora_dropout \(dropout), which must be from 0 to below 1")
    }
    guard !targetModules.isEmpty, !targetModules.contains("") else {
      throw problem("has no --target_modules; leave them out for those of attention")
    }
  }

  /// Makes sure that every module stands for a layer of the model, and that there is something to train.
  func requireModules(of folder: ModelFolder, trained parts: [ModelPart]) throws {
    var layers: [ModelPart: [String]] = [:]
    for part in [ModelPart.unet, .textEncoder] {
      layers[part] = try folder.specifications(of: part).filter(\.canBeAdapted)
        .map { String($0.name.dropLast(".weight".count)) }
    }
    let all = layers.values.joined()
    if let unknown = targetModules.first(where: { module in !all.contains { LoRAConfiguration.names(module, $0) } }) {
      throw TrainingOptionError(.lora, "has --target_modules \(unknown), but the model has no layer of that name")
    }
    guard parts.contains(where: { layers[$0]?.contains(where: adapts) == true }) else {
      throw TrainingOptionError(
        .lora,
        "has --target_modules \(targetModules.joined(separator: ",")), none of which is in a network that is trained")
    }
  }
}

extension TrainingConfiguration {
  /// Whether a network is trained, be it by its own weights or by adapters.
  func trains(_ part: ModelPart) -> Bool {
    switch part {
    case .unet: trainUnet
    case .textEncoder: trainTextEncoder
    case .vae: false
    }
  }

  /// Makes sure that the options leave something to train in a model.
  ///
  /// - Throws: `TrainingOptionError`, or what is wrong with the folder's configurations.
  func requireTrainable(_ folder: ModelFolder) throws {
    try lora?.requireModules(of: folder, trained: ModelPart.allCases.filter(trains))
  }

  /// Whether a network's own weights are trained.
  func trainsWeights(of part: ModelPart) -> Bool { trains(part) && lora == nil }

  /// What a network is built with besides what it has of its own.
  ///
  /// - Parameters:
  ///   - newTokens: the vectors of new words.
  ///   - batchNumber: the number of the batch, one Int32 on the device, on which dropouts depend.
  func additions(to part: ModelPart, _ newTokens: NewTokens? = nil, batchNumber: Tensor) -> [any ModelAddition] {
    let words: [any ModelAddition] = newTokens.map { [$0] } ?? []
    guard let lora, trains(part) else { return words }
    let seed = seed ?? 0
    // A seed of its own for each network, so that no two factors begin with the same numbers.
    let index = ModelPart.allCases.firstIndex(of: part) ?? 0
    let form = LowRankAdapters.Form(rank: lora.rank, scale: lora.alpha / Float(lora.rank))
    return words + [
      LowRankAdapters(
        name: LoRAConfiguration.adapterName, isTrained: true,
        dropout: lora.dropout > 0
          ? Dropout(probability: lora.dropout, TrainingStream.dropout.random(seed: seed), draw: batchNumber) : nil,
        from: InitialParameters(seed: seed &+ UInt64(index))
      ) { lora.adapts($0) ? form : nil }
    ]
  }
}

extension LoRA {
  /// The adapters as they are trained.
  init(_ parts: [TrainedPart], _ configuration: LoRAConfiguration) {
    let name = LoRAConfiguration.adapterName
    let layers = parts.flatMap { part in
      let store = part.parameters
      let factors = Dictionary(uniqueKeysWithValues: store.trainable.map { ($0.name, $0) })
      func matrix(_ parameter: Parameter) -> Matrix {
        Matrix(store.pytorch(parameter).floats(), parameter.specification.shape)
      }
      let suffix = LowRankAdapters.down("", name)
      return store.trainable.filter { $0.name.hasSuffix(suffix) }.map { down in
        let layer = String(down.name.dropLast(suffix.count))
        guard let up = factors[LowRankAdapters.up(layer, name)] else {
          fatalError("LoRA: \(layer) is trained with one factor alone")
        }
        return Layer(part.part, layer, alpha: configuration.alpha, down: matrix(down), up: matrix(up))
      }
    }
    self.init(layers, origin: "the LoRA in training")
  }
}
