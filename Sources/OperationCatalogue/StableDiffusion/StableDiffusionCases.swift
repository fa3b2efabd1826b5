import Tensor

/// The parts of Stable Diffusion 1.5 whose operations are measured each for itself.
public enum StableDiffusionPart: String, Sendable, CaseIterable {
  /// The UNet, forward and backward.
  case unet
  /// CLIP's text encoder.
  case textEncoder = "text-encoder"
  /// The autoencoder, encoding and decoding.
  case autoencoder
  /// AdamW and what surrounds it.
  case optimizer
}

extension OperationCatalogue {
  /// The operations of Stable Diffusion 1.5 at 512 pixels, for benchmarks: too large for references.
  ///
  /// Of convolutions, matrix products and attentions there is every one that the part calls; of what moves memory rather
  /// than computes, the most frequent and the largest.
  ///
  /// - Parameters:
  ///   - parts: where the operations occur; one that occurs in several is there once.
  ///   - batch: the pictures in a batch. The autoencoder takes one at a time.
  ///   - dtype: the type that is computed in.
  public static func stableDiffusion(
    _ parts: [StableDiffusionPart] = StableDiffusionPart.allCases, batch: Int, _ dtype: DType
  ) -> [OperationCase] {
    var names: Set<String> = []
    return parts.flatMap { part in
      switch part {
      case .unet: unet(batch, dtype)
      case .textEncoder: textEncoder(batch, dtype)
      case .autoencoder: autoencoder(dtype)
      case .optimizer: optimizer(dtype)
      }
    }.filter { names.insert($0.description).inserted }
  }

  /// A layer of CLIP ViT-L on prompts of 77 tokens.
  private static func textEncoder(_ batch: Int, _ dtype: DType) -> [OperationCase] {
    let rows = batch * 77
    let extents = AttentionExtents(batch, queries: 77, keys: 77, heads: 12, headSize: 64, causal: true)
    let layers = [(768, 768), (768, 3072), (3072, 768)]
    return layers.flatMap { input, output in
      [linear(rows, from: input, to: output, dtype)] + linearBackward(rows, from: input, to: output, dtype)
    } + [
      attention(extents, dtype), attentionBackward(extents, dtype), layerNorm([rows, 768], .normal(), dtype),
      layerNormBackward([rows, 768], .normal(), dtype), unary(.quickGELU, [rows, 3072], dtype),
      binary(.quickGELUBackward, [rows, 3072], [rows, 3072], dtype),
      gather(rows: 49408, width: 768, indices: [batch, 77], dtype),
      gatherBackward(rows: 49408, width: 768, indices: [batch, 77], dtype),
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
  static func linear(
    _ rows: Int, from input: Int, to output: Int, bias: Bool = true, _ dtype: DType
  ) -> OperationCase {
    matrixProduct(MatrixProduct(m: rows, n: output, k: input, transposeB: true), bias: bias, dtype)
  }

  /// The derivatives of a linear layer by its input and by its weights.
  static func linearBackward(_ rows: Int, from input: Int, to output: Int, _ dtype: DType) -> [OperationCase] {
    [
      matrixProduct(MatrixProduct(m: rows, n: input, k: output), dtype),
      matrixProduct(MatrixProduct(m: output, n: input, k: rows, transposeA: true), dtype),
    ]
  }
}
