import Tensor

extension OperationCatalogue {
  /// The UNet's operations, forward and backward.
  static func unet(_ batch: Int, _ dtype: DType) -> [OperationCase] {
    UNetLevel.all.flatMap { level in
      level.convolutions(batch, dtype) + level.products(batch, dtype) + level.attentions(batch, dtype)
        + level.surroundings(batch, dtype)
    } + ends(batch, dtype) + timeEmbedding(batch, dtype)
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

  /// The layers that see one vector for each picture: what becomes of the timestep, and its way into every block.
  private static func timeEmbedding(_ batch: Int, _ dtype: DType) -> [OperationCase] {
    [(320, 1280), (1280, 1280), (1280, 640), (1280, 320)].flatMap { input, output in
      [linear(batch, from: input, to: output, dtype)] + linearBackward(batch, from: input, to: output, dtype)
    }
  }
}

/// One of the sizes at which the UNet looks at its picture.
private struct UNetLevel {
  let side: Int
  let channels: Int
  /// The pairs of channels, in and out, of the convolutions by 3 x 3.
  let blocks: [(Int, Int)]
  /// Those of the convolutions by 1 x 1 beside blocks that change the number of channels.
  let shortcuts: [(Int, Int)]
  /// Whether a convolution of stride 2 leads to the next size.
  let leadsDown: Bool

  static let all = [
    UNetLevel(
      side: 64, channels: 320, blocks: [(320, 320), (640, 320), (960, 320), (640, 640)],
      shortcuts: [(640, 320), (960, 320)], leadsDown: true),
    UNetLevel(
      side: 32, channels: 640,
      blocks: [(320, 640), (640, 640), (960, 640), (1280, 640), (1920, 640), (1280, 1280)],
      shortcuts: [(320, 640), (960, 640), (1280, 640), (1920, 640)], leadsDown: true),
    UNetLevel(
      side: 16, channels: 1280, blocks: [(640, 1280), (1280, 1280), (1920, 1280), (2560, 1280)],
      shortcuts: [(640, 1280), (1920, 1280), (2560, 1280)], leadsDown: true),
    UNetLevel(
      side: 8, channels: 1280, blocks: [(1280, 1280), (2560, 1280)], shortcuts: [(2560, 1280)], leadsDown: false),
  ]

  private static let heads = 8
  private static let tokens = 77
  private static let context = 768

  /// The channels of the widest picture that comes back up at this size, joined with what went down.
  private var joined: Int { blocks.map(\.0).max() ?? channels }

  private func shape(_ batch: Int) -> Shape { [batch, side, side, channels] }
  private func pixels(_ batch: Int) -> Int { batch * side * side }

  /// Convolutions by 1 x 1 lead into the attention and out of it too.
  func convolutions(_ batch: Int, _ dtype: DType) -> [OperationCase] {
    let squares = blocks.map { ConvolutionExtents([batch, side, side, $0], out: $1, 3, 3, padding: .all(1)) }
    let points = ([(channels, channels)] + shortcuts).map {
      ConvolutionExtents([batch, side, side, $0], out: $1, 1, 1)
    }
    let down = ConvolutionExtents(shape(batch), out: channels, 3, 3, stride: 2, padding: .all(1))
    return (squares + points + (leadsDown ? [down] : [])).flatMap {
      [
        OperationCatalogue.convolution($0, dtype), OperationCatalogue.convolutionBackwardInput($0, dtype),
        OperationCatalogue.convolutionBackwardWeight($0, dtype),
      ]
    }
  }

  /// The linear layers of a transformer block; those that make queries, keys and values have no bias.
  func products(_ batch: Int, _ dtype: DType) -> [OperationCase] {
    let inner = 4 * channels
    let pixels = pixels(batch)
    let layers = [
      (pixels, channels, channels), (pixels, channels, 2 * inner), (pixels, inner, channels),
      (batch * Self.tokens, Self.context, channels),
    ]
    return [OperationCatalogue.linear(pixels, from: channels, to: channels, bias: false, dtype)]
      + layers.flatMap { rows, input, output in
        [OperationCatalogue.linear(rows, from: input, to: output, bias: input != Self.context, dtype)]
          + OperationCatalogue.linearBackward(rows, from: input, to: output, dtype)
      }
  }

  /// Among the pixels, and from the pixels to the prompt's tokens.
  func attentions(_ batch: Int, _ dtype: DType) -> [OperationCase] {
    [side * side, Self.tokens].flatMap { keys in
      let extents = AttentionExtents(
        batch, queries: side * side, keys: keys, heads: Self.heads, headSize: channels / Self.heads)
      return [OperationCatalogue.attention(extents, dtype), OperationCatalogue.attentionBackward(extents, dtype)]
    }
  }

  /// What stands around the products: normalisation, activations, sums and copies.
  func surroundings(_ batch: Int, _ dtype: DType) -> [OperationCase] {
    let (shape, pixels) = (shape(batch), pixels(batch))
    let norm = GroupNormalization(groups: 32, epsilon: 1e-5, silu: true)
    let joinedShape = shape.replacing(3, with: joined)
    let join = BlockCopy(
      outer: pixels, count: channels, source: (offset: 0, stride: channels), target: (offset: 0, stride: joined))
    let rows: Shape = [pixels, channels]
    return [
      OperationCatalogue.groupNorm(shape, norm, .normal(), dtype),
      OperationCatalogue.groupNormBackward(shape, norm, .normal(), dtype),
      OperationCatalogue.groupNorm(joinedShape, norm, .normal(), dtype),
      OperationCatalogue.groupNormBackward(joinedShape, norm, .normal(), dtype),
      OperationCatalogue.layerNorm(rows, .normal(), dtype),
      OperationCatalogue.layerNormBackward(rows, .normal(), dtype),
      OperationCatalogue.geglu(pixels, 4 * channels, dtype),
      OperationCatalogue.gegluBackward(pixels, 4 * channels, dtype),
      OperationCatalogue.binary(.add, shape, shape, dtype),
      OperationCatalogue.binary(.add, shape, [batch, 1, 1, channels], dtype),
      OperationCatalogue.sum(1, pixels, channels, dtype),
      OperationCatalogue.copyBlocks(shape, into: joinedShape, join, .overwrite, dtype),
      OperationCatalogue.upsampleNearest(shape, to: 2 * side, 2 * side, dtype),
      OperationCatalogue.upsampleNearestBackward(shape, to: 2 * side, 2 * side, dtype),
    ]
  }
}
