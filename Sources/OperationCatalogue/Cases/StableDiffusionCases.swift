import Tensor

extension OperationCatalogue {
  /// The cases in which Stable Diffusion 1.5 spends its time at 512 pixels, for benchmarks: too large for references.
  ///
  /// - Parameters:
  ///   - batch: the pictures in a batch.
  ///   - dtype: the type that is computed in.
  public static func stableDiffusion(batch: Int, _ dtype: DType) -> [OperationCase] {
    let levels = StableDiffusionLevel.all(batch: batch)
    return levels.flatMap { level in
      level.convolutions(dtype) + level.products(dtype) + level.attentions(dtype) + level.surroundings(dtype)
    } + ends(batch, dtype) + textEncoder(batch, dtype) + autoencoder(dtype) + optimizer(dtype)
  }

  /// The first and the last convolution, and the loss.
  private static func ends(_ batch: Int, _ dtype: DType) -> [OperationCase] {
    let first = ConvolutionExtents([batch, 64, 64, 4], out: 320, 3, 3, padding: .all(1))
    let last = ConvolutionExtents([batch, 64, 64, 320], out: 4, 3, 3, padding: .all(1))
    return [
      convolution(first, dtype), convolutionBackwardWeight(first, dtype), convolution(last, dtype),
      convolutionBackwardInput(last, dtype), convolutionBackwardWeight(last, dtype),
      normal([batch, 64, 64, 4], RandomStream(seed: 0, stream: 0), draw: 0),
      meanSquaredError(batch, 64 * 64 * 4, dtype), meanSquaredErrorBackward(batch, 64 * 64 * 4, dtype),
    ]
  }

  /// A layer of CLIP ViT-L on prompts of 77 tokens.
  private static func textEncoder(_ batch: Int, _ dtype: DType) -> [OperationCase] {
    let rows = batch * 77
    let extents = AttentionExtents(batch, queries: 77, keys: 77, heads: 12, headSize: 64, causal: true)
    return [
      gather(rows: 49408, width: 768, indices: [batch, 77], dtype), layerNorm([rows, 768], .normal(), dtype),
      linear(rows, from: 768, to: 768, dtype), linear(rows, from: 768, to: 3072, dtype),
      linear(rows, from: 3072, to: 768, dtype), unary(.quickGELU, [rows, 3072], dtype), attention(extents, dtype),
      attentionBackward(extents, dtype), gatherBackward(rows: 49408, width: 768, indices: [batch, 77], dtype),
    ]
  }

  /// The widest layers of the decoder, which decodes one picture at a time.
  private static func autoencoder(_ dtype: DType) -> [OperationCase] {
    let shapes: [Shape] = [[1, 64, 64, 512], [1, 128, 128, 512], [1, 256, 256, 256], [1, 512, 512, 128]]
    let norm = GroupNormalization(groups: 32, epsilon: 1e-6, silu: true)
    return shapes.flatMap { shape in
      [
        convolution(ConvolutionExtents(shape, out: shape[3], 3, 3, padding: .all(1)), dtype),
        groupNorm(shape, norm, .normal(), dtype), binary(.add, shape, shape, dtype),
      ]
    } + [
      attention(AttentionExtents(1, queries: 4096, keys: 4096, heads: 1, headSize: 512), dtype),
      upsampleNearest([1, 256, 256, 256], to: 512, 512, dtype),
      convolution(ConvolutionExtents([1, 512, 512, 128], out: 3, 3, 3, padding: .all(1)), dtype),
    ]
  }

  /// A tenth of the parameters, which is more than any cache holds.
  private static func optimizer(_ dtype: DType) -> [OperationCase] {
    let count = 86_000_000
    let isMixed = dtype != .float32
    return [
      fill([count], 0, dtype), cast([count], from: .float32, to: dtype), sumOfSquares(count, dtype),
      adamW(count, step: 2, gradient: dtype, shadow: isMixed ? dtype : nil),
      adamWQuantized(count, step: 2, gradient: dtype, shadow: isMixed ? dtype : nil),
    ]
      + (dtype == .bfloat16
        ? [
          adamW(count, step: 2, gradient: dtype, parameter: dtype),
          adamWQuantized(count, step: 2, gradient: dtype, parameter: dtype),
        ] : [])
  }

  /// x Wᵀ + b, as a linear layer of weights [out, in] computes it.
  fileprivate static func linear(_ rows: Int, from input: Int, to output: Int, _ dtype: DType) -> OperationCase {
    matrixProduct(MatrixProduct(m: rows, n: output, k: input, transposeB: true), bias: true, dtype)
  }

  /// The derivatives of a linear layer by its input and by its weights.
  fileprivate static func linearBackward(
    _ rows: Int, from input: Int, to output: Int, _ dtype: DType
  ) -> [OperationCase] {
    [
      matrixProduct(MatrixProduct(m: rows, n: input, k: output), dtype),
      matrixProduct(MatrixProduct(m: output, n: input, k: rows, transposeA: true), dtype),
    ]
  }
}

/// One of the sizes at which the UNet looks at its picture.
private struct StableDiffusionLevel {
  let batch: Int
  let side: Int
  let channels: Int
  /// The channels of what comes back up at this size, joined with what went down.
  let joined: Int
  /// Whether the level has attention.
  let attends: Bool

  static func all(batch: Int) -> [StableDiffusionLevel] {
    [
      StableDiffusionLevel(batch: batch, side: 64, channels: 320, joined: 960, attends: true),
      StableDiffusionLevel(batch: batch, side: 32, channels: 640, joined: 1920, attends: true),
      StableDiffusionLevel(batch: batch, side: 16, channels: 1280, joined: 2560, attends: true),
      StableDiffusionLevel(batch: batch, side: 8, channels: 1280, joined: 2560, attends: false),
    ]
  }

  private static let heads = 8
  private static let tokens = 77
  private static let context = 768

  private var shape: Shape { [batch, side, side, channels] }
  private var pixels: Int { batch * side * side }

  func convolutions(_ dtype: DType) -> [OperationCase] {
    let joinedShape = shape.replacing(3, with: joined)
    let extents = [
      ConvolutionExtents(shape, out: channels, 3, 3, padding: .all(1)),
      ConvolutionExtents(joinedShape, out: channels, 3, 3, padding: .all(1)),
      ConvolutionExtents(joinedShape, out: channels, 1, 1),
      ConvolutionExtents(shape, out: channels, 3, 3, stride: 2, padding: .all(1)),
    ]
    return extents.flatMap {
      [
        OperationCatalogue.convolution($0, dtype), OperationCatalogue.convolutionBackwardInput($0, dtype),
        OperationCatalogue.convolutionBackwardWeight($0, dtype),
      ]
    }
  }

  func products(_ dtype: DType) -> [OperationCase] {
    guard attends else { return [] }
    let inner = 4 * channels
    let layers = [
      (pixels, channels, channels), (pixels, channels, 2 * inner), (pixels, inner, channels),
      (batch * Self.tokens, Self.context, channels),
    ]
    return layers.flatMap { rows, input, output in
      [OperationCatalogue.linear(rows, from: input, to: output, dtype)]
        + OperationCatalogue.linearBackward(rows, from: input, to: output, dtype)
    }
  }

  func attentions(_ dtype: DType) -> [OperationCase] {
    guard attends else { return [] }
    return [side * side, Self.tokens].flatMap { keys in
      let extents = AttentionExtents(
        batch, queries: side * side, keys: keys, heads: Self.heads, headSize: channels / Self.heads)
      return [OperationCatalogue.attention(extents, dtype), OperationCatalogue.attentionBackward(extents, dtype)]
    }
  }

  /// What stands around the products: normalisation, activations, sums and copies.
  func surroundings(_ dtype: DType) -> [OperationCase] {
    let norm = GroupNormalization(groups: 32, epsilon: 1e-5, silu: true)
    let joinedShape = shape.replacing(3, with: joined)
    let join = BlockCopy(
      outer: pixels, count: channels, source: (offset: 0, stride: channels), target: (offset: 0, stride: joined))
    let always = [
      OperationCatalogue.groupNorm(shape, norm, .normal(), dtype),
      OperationCatalogue.groupNormBackward(shape, norm, .normal(), dtype),
      OperationCatalogue.groupNorm(joinedShape, norm, .normal(), dtype),
      OperationCatalogue.binary(.add, shape, shape, dtype),
      OperationCatalogue.binary(.add, shape, [batch, 1, 1, channels], dtype),
      OperationCatalogue.sum(1, pixels, channels, dtype),
      OperationCatalogue.copyBlocks(shape, into: joinedShape, join, .overwrite, dtype),
      OperationCatalogue.upsampleNearest(shape, to: 2 * side, 2 * side, dtype),
      OperationCatalogue.upsampleNearestBackward(shape, to: 2 * side, 2 * side, dtype),
    ]
    let rows: Shape = [pixels, channels]
    let aroundAttention = [
      OperationCatalogue.layerNorm(rows, .normal(), dtype),
      OperationCatalogue.layerNormBackward(rows, .normal(), dtype),
      OperationCatalogue.geglu(pixels, 4 * channels, dtype),
      OperationCatalogue.gegluBackward(pixels, 4 * channels, dtype),
    ]
    return attends ? always + aroundAttention : always
  }
}
