import Tensor

extension OperationCatalogue {
  /// The autoencoder's operations on one picture of 512 pixels. It is not trained, so there are no derivatives.
  static func autoencoder(_ dtype: DType) -> [OperationCase] {
    let norm = GroupNormalization(groups: 32, epsilon: 1e-6, silu: true)
    let shapes: [Shape] = [[1, 64, 64, 512], [1, 128, 128, 512], [1, 256, 256, 256], [1, 512, 512, 128]]
    let surroundings = shapes.flatMap { shape in
      [groupNorm(shape, norm, .normal(), dtype), binary(.add, shape, shape, dtype)]
    }
    return autoencoderConvolutions.map { convolution($0, dtype) } + [
      linear(64 * 64, from: 512, to: 512, dtype),
      attention(AttentionExtents(1, queries: 4096, keys: 4096, heads: 1, headSize: 512), dtype),
      upsampleNearest([1, 256, 256, 256], to: 512, 512, dtype),
    ] + surroundings
  }

  /// Every convolution of the encoder and of the decoder.
  private static var autoencoderConvolutions: [ConvolutionExtents] {
    func square(_ side: Int, _ layers: [(Int, Int)]) -> [ConvolutionExtents] {
      layers.map { ConvolutionExtents([1, side, side, $0], out: $1, 3, 3, padding: .all(1)) }
    }
    func point(_ side: Int, _ layers: [(Int, Int)]) -> [ConvolutionExtents] {
      layers.map { ConvolutionExtents([1, side, side, $0], out: $1, 1, 1) }
    }
    let belowAndRight = Convolution2D.Padding(top: 0, left: 0, bottom: 1, right: 1)
    let downwards = [(512, 128), (256, 256), (128, 512)].map { side, channels in
      ConvolutionExtents([1, side, side, channels], out: channels, 3, 3, stride: 2, padding: belowAndRight)
    }
    return square(512, [(3, 128), (128, 128), (256, 128), (256, 256), (128, 3)]) + point(512, [(256, 128)])
      + square(256, [(128, 256), (256, 256), (512, 256), (512, 512)]) + point(256, [(128, 256), (512, 256)])
      + square(128, [(256, 512), (512, 512)]) + point(128, [(256, 512)])
      + square(64, [(4, 512), (512, 512), (512, 8)]) + point(64, [(4, 4), (8, 8)]) + downwards
  }
}
