/// Low-rank additions to layers of a model (LoRA; Hu et al., 2022), as files hold them.
///
/// A layer whose weight is W computes with W + alpha / rank · up · down. For convolutions, `down` has the kernel of the
/// layer and `up` is one of single pixels (LoCon).
public struct LoRA: Sendable, Hashable {
  /// One of the two factors of an addition.
  public struct Matrix: Sendable, Hashable {
    /// The extents in PyTorch's order.
    public let shape: Shape
    /// The numbers in that order.
    public let numbers: [Float]
    /// The type that they are stored as.
    public let dtype: DType

    /// A matrix of the given numbers.
    public init(_ numbers: [Float], _ shape: Shape, dtype: DType = .float32) {
      require(numbers.count == shape.count, "LoRA: \(numbers.count) numbers do not fill \(shape)")
      self.shape = shape
      self.numbers = numbers
      self.dtype = dtype
    }
  }

  /// The addition to one layer.
  public struct Layer: Sendable, Hashable {
    /// The network.
    public let part: ModelPart
    /// The layer's path in it, as diffusers names it; in the text encoder it begins with `text_model`.
    public let name: String
    /// The strength, of which each of `rank` rows has its share.
    public let alpha: Float
    /// [rank, in] or [rank, in, height, width].
    public let down: Matrix
    /// [out, rank] or [out, rank, 1, 1].
    public let up: Matrix

    /// An addition to the layer `name`.
    public init(_ part: ModelPart, _ name: String, alpha: Float, down: Matrix, up: Matrix) {
      self.part = part
      self.name = name
      self.alpha = alpha
      self.down = down
      self.up = up
    }

    /// The number of rows of `down`.
    public var rank: Int { down.shape[0] }

    /// The factor on the product.
    public var scale: Float { alpha / Float(rank) }
  }

  /// The additions, in the order of the networks and of the layers' names.
  public let layers: [Layer]
  /// Where they come from, for messages.
  public let origin: String

  /// A LoRA of the given layers, no two of which may be the same.
  public init(_ layers: [Layer], origin: String) {
    self.layers = layers.sorted { ($0.part.rawValue, $0.name) < ($1.part.rawValue, $1.name) }
    self.origin = origin
    let names = Set(layers.map { "\($0.part.rawValue).\($0.name)" })
    require(names.count == layers.count, "LoRA: two additions to the same layer")
  }

  /// The same additions with alpha equal to the rank, for programs that know no alpha.
  ///
  /// The scale goes into both factors alike, rounded to their type.
  public func withFoldedScale() -> LoRA {
    LoRA(
      layers.map { layer in
        let root = abs(layer.scale).squareRoot()
        return Layer(
          layer.part, layer.name, alpha: Float(layer.rank), down: layer.down.scaled(by: root),
          up: layer.up.scaled(by: layer.scale < 0 ? -root : root))
      }, origin: origin)
  }
}

extension LoRA {
  /// The same additions, stored as another type: `.float32`, `.float16` or `.bfloat16`. Strengths are not rounded.
  public func converted(to dtype: DType) -> LoRA {
    LoRA(
      layers.map { layer in
        Layer(
          layer.part, layer.name, alpha: layer.alpha, down: Matrix(layer.down.numbers, layer.down.shape, dtype: dtype),
          up: Matrix(layer.up.numbers, layer.up.shape, dtype: dtype))
      }, origin: origin)
  }
}

extension LoRA.Matrix {
  fileprivate func scaled(by factor: Float) -> LoRA.Matrix {
    LoRA.Matrix(numbers.map { $0 * factor }, shape, dtype: dtype)
  }
}

/// A LoRA and how strongly it is applied.
public struct ScaledLoRA: Sendable {
  /// The additions.
  public let lora: LoRA
  /// A factor on all of them; 1 is the strength that they were trained for, and less than 0 moves the other way.
  public let scale: Float

  /// A LoRA at a scale.
  public init(_ lora: LoRA, scale: Float = 1) {
    self.lora = lora
    self.scale = scale
  }
}
