/// Where a kernel puts its result. Gradients add up in the kernel that makes them, without a pass of their own.
public struct Destination: Sendable {
  /// The tensor that is written.
  public let tensor: Tensor
  /// How it is written.
  public let write: Write

  /// The result replaces the contents of `tensor`.
  public static func overwrite(_ tensor: Tensor) -> Destination { Destination(tensor: tensor, write: .overwrite) }

  /// The result is added to the contents of `tensor`.
  public static func accumulate(_ tensor: Tensor) -> Destination { Destination(tensor: tensor, write: .accumulate) }

  /// The result goes to `tensor` in the given way.
  public init(tensor: Tensor, write: Write) {
    self.tensor = tensor
    self.write = write
  }
}

/// A matrix product: C [m, n] = A [m, k] · B [k, n], where A and B may be stored transposed.
public struct MatrixProduct: Sendable, Hashable, CustomStringConvertible {
  /// The rows of the result.
  public let m: Int
  /// The columns of the result.
  public let n: Int
  /// The length of the sums.
  public let k: Int
  /// A is stored as [k, m].
  public let transposeA: Bool
  /// B is stored as [n, k].
  public let transposeB: Bool

  /// A product of the given extents.
  public init(m: Int, n: Int, k: Int, transposeA: Bool = false, transposeB: Bool = false) {
    self.m = m
    self.n = n
    self.k = k
    self.transposeA = transposeA
    self.transposeB = transposeB
  }

  /// The form and the extents m, n and k, such as `ABᵀ 4096x320x1280`.
  public var description: String { "A\(transposeA ? "ᵀ" : "")B\(transposeB ? "ᵀ" : "") \(m)x\(n)x\(k)" }
}

/// The stride and the zero padding of a two-dimensional convolution.
public struct Convolution2D: Sendable, Hashable {
  /// Rows and columns of zeros around the input.
  public struct Padding: Sendable, Hashable {
    /// Zeros above, left of, below and right of the picture.
    public var top: Int, left: Int, bottom: Int, right: Int

    /// Padding given side by side.
    public init(top: Int, left: Int, bottom: Int, right: Int) {
      self.top = top
      self.left = left
      self.bottom = bottom
      self.right = right
    }

    /// The same padding on all four sides.
    public static func all(_ width: Int) -> Padding { Padding(top: width, left: width, bottom: width, right: width) }
  }

  /// The step between windows, in both directions.
  public let stride: Int
  /// The zeros around the input.
  public let padding: Padding

  /// A convolution with the given stride and padding.
  public init(stride: Int = 1, padding: Padding = .all(0)) {
    self.stride = stride
    self.padding = padding
  }
}

/// The order in which a backend keeps convolution weights. Files always hold PyTorch's [out, in, height, width].
public enum ConvolutionLayout: Sendable, Hashable, CaseIterable {
  /// [height, width, in, out]: rows of a matrix product for the CPU.
  case heightWidthInOut
  /// [out, height, width, in]: what NVIDIA's libraries take.
  case outHeightWidthIn

  /// The stored shape of weights with the given extents.
  public func shape(output: Int, input: Int, height: Int, width: Int) -> Shape {
    switch self {
    case .heightWidthInOut: [height, width, input, output]
    case .outHeightWidthIn: [output, height, width, input]
    }
  }

  /// The axes of PyTorch's order, listed in stored order: `stored[i] = pytorch[permutation[i]]`.
  public var permutation: [Int] {
    switch self {
    case .heightWidthInOut: [2, 3, 1, 0]
    case .outHeightWidthIn: [0, 2, 3, 1]
    }
  }

  /// The extents of weights stored in this order.
  public func extents(_ shape: Shape) -> (output: Int, input: Int, height: Int, width: Int) {
    switch self {
    case .heightWidthInOut: (shape[3], shape[2], shape[0], shape[1])
    case .outHeightWidthIn: (shape[0], shape[3], shape[1], shape[2])
    }
  }
}

/// Group normalisation over [batch, height, width, channels], optionally followed by SiLU in the same pass.
public struct GroupNormalization: Sendable, Hashable {
  /// The number of groups the channels are divided into.
  public let groups: Int
  /// Added to the variance.
  public let epsilon: Float
  /// Whether SiLU is applied to the result.
  public let silu: Bool

  /// A normalisation over `groups` groups.
  public init(groups: Int, epsilon: Float, silu: Bool = false) {
    self.groups = groups
    self.epsilon = epsilon
    self.silu = silu
  }
}

/// Scaled dot-product attention.
public struct Attention: Sendable, Hashable {
  /// The factor on the scores, usually 1/√headSize.
  public let scale: Float
  /// Whether a query sees only keys at or before its own position.
  public let causal: Bool

  /// Attention with the given score factor.
  public init(scale: Float, causal: Bool = false) {
    self.scale = scale
    self.causal = causal
  }
}

/// A strided copy of `outer` blocks of `count` elements each: what joining, slicing and padding come down to.
public struct BlockCopy: Sendable, Hashable {
  /// The number of blocks.
  public let outer: Int
  /// The contiguous elements of one block.
  public let count: Int
  /// Where the first block starts in the source, and the distance to the next, in elements.
  public let source: (offset: Int, stride: Int)
  /// Where the first block goes in the destination, and the distance to the next, in elements.
  public let target: (offset: Int, stride: Int)

  /// A copy of `outer` blocks.
  public init(outer: Int, count: Int, source: (offset: Int, stride: Int), target: (offset: Int, stride: Int)) {
    self.outer = outer
    self.count = count
    self.source = source
    self.target = target
  }

  /// Compares all extents.
  public static func == (a: BlockCopy, b: BlockCopy) -> Bool {
    a.outer == b.outer && a.count == b.count && a.source == b.source && a.target == b.target
  }

  /// Feeds all extents to a hasher.
  public func hash(into hasher: inout Hasher) {
    for value in [outer, count, source.offset, source.stride, target.offset, target.stride] { hasher.combine(value) }
  }
}

/// The constants of AdamW (Loshchilov and Hutter, 2019); the defaults are PyTorch's.
public struct AdamWConstants: Sendable, Hashable {
  /// The decay of the first moment.
  public var beta1: Double
  /// The decay of the second moment.
  public var beta2: Double
  /// Added to the root of the second moment.
  public var epsilon: Double
  /// Decoupled weight decay, multiplied by the learning rate.
  public var weightDecay: Double

  /// The given constants, PyTorch's by default.
  public init(beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8, weightDecay: Double = 1e-2) {
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.weightDecay = weightDecay
  }
}

/// How the scale of the loss follows the gradients in Float16 training (Micikevicius et al., 2018); the defaults are
/// those of torch.amp.GradScaler.
public struct LossScaling: Sendable, Hashable {
  /// The scale of the first step.
  public var initialScale: Float
  /// What the scale is multiplied by after `growthInterval` steps with finite gradients.
  public var growthFactor: Float
  /// What the scale is multiplied by after a step that was skipped because its gradients were not finite.
  public var backoffFactor: Float
  /// How many steps in a row must be good before the scale grows.
  public var growthInterval: Int

  /// The given rule, PyTorch's by default.
  public init(
    initialScale: Float = 65536, growthFactor: Float = 2, backoffFactor: Float = 0.5, growthInterval: Int = 2000
  ) {
    self.initialScale = initialScale
    self.growthFactor = growthFactor
    self.backoffFactor = backoffFactor
    self.growthInterval = growthInterval
  }
}

/// What a backend's memory pool holds at the moment, in bytes.
public struct MemoryStatistics: Sendable, Hashable {
  /// In use by tensors.
  public var live: Int
  /// The largest value `live` has had.
  public var peak: Int
  /// Taken from the system, in use or kept for reuse.
  public var reserved: Int

  /// Counters of a pool.
  public init(live: Int = 0, peak: Int = 0, reserved: Int = 0) {
    self.live = live
    self.peak = peak
    self.reserved = reserved
  }
}
