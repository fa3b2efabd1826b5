import Tensor

/// The extents of a convolution in a catalogue case.
public struct ConvolutionExtents: Sendable {
  /// [batch, height, width, in].
  public let input: Shape
  /// PyTorch's [out, in, height, width].
  public let weight: Shape
  /// Stride and padding.
  public let spec: Convolution2D

  /// A convolution of the given input with a kernel of `height` x `width`.
  public init(
    _ input: Shape, out: Int, _ height: Int, _ width: Int, stride: Int = 1, padding: Convolution2D.Padding = .all(0)
  ) {
    self.input = input
    weight = [out, input[3], height, width]
    spec = Convolution2D(stride: stride, padding: padding)
  }

  /// [batch, height', width', out].
  public var output: Shape { Reference.convolutionShape(input, weight: weight, spec) }

  var flops: Int { OperationCost.convolution(output: output, weight: weight.count) }

  var description: String {
    let padding = spec.padding
    return "\(input) with \(weight) stride \(spec.stride) "
      + "padding \(padding.top) \(padding.left) \(padding.bottom) \(padding.right)"
  }
}

extension OperationCatalogue {
  /// A convolution.
  public static func convolution(
    _ extents: ConvolutionExtents, bias: Bool = true, _ dtype: DType = .float32
  ) -> OperationCase {
    OperationCase(
      .convolution, "\(extents.description)\(bias ? " + bias" : "") \(dtype)",
      operands: [Operand(extents.input, dtype), Operand(extents.weight, dtype, isConvolutionWeight: true)]
        + (bias ? [Operand([extents.weight[0]], dtype)] : []),
      outputs: [Output(extents.output, dtype, .overwrite)], flops: extents.flops,
      run: { backend, operands, outputs in
        backend.convolution(
          operands[0], operands[1], bias: bias ? operands[2] : nil, extents.spec, into: outputs[0].tensor)
      },
      reference: { [Reference.convolution($0[0], $0[1], bias: bias ? $0[2] : nil, extents.spec, dtype)] })
  }

  /// The derivative of a convolution by its input.
  public static func convolutionBackwardInput(
    _ extents: ConvolutionExtents, _ dtype: DType = .float32
  ) -> OperationCase {
    OperationCase(
      .convolutionBackwardInput, "\(extents.description) \(dtype)",
      operands: [Operand(extents.output, dtype), Operand(extents.weight, dtype, isConvolutionWeight: true)],
      outputs: [Output(extents.input, dtype, mayRoundBeforeAdding: true)], flops: extents.flops,
      run: { backend, operands, outputs in
        backend.convolutionBackwardInput(operands[0], operands[1], extents.spec, into: outputs[0])
      },
      reference: { [Reference.convolutionBackwardInput($0[0], $0[1], extents.spec, input: extents.input)] })
  }

  /// The derivative of a convolution by its weights.
  public static func convolutionBackwardWeight(
    _ extents: ConvolutionExtents, _ dtype: DType = .float32
  ) -> OperationCase {
    OperationCase(
      .convolutionBackwardWeight, "\(extents.description) \(dtype)",
      operands: [Operand(extents.input, dtype), Operand(extents.output, dtype)],
      outputs: [Output(extents.weight, dtype, isConvolutionWeight: true, mayRoundBeforeAdding: true)],
      flops: extents.flops,
      run: { backend, operands, outputs in
        backend.convolutionBackwardWeight(operands[0], operands[1], extents.spec, into: outputs[0])
      },
      reference: { [Reference.convolutionBackwardWeight($0[0], $0[1], extents.spec, weight: extents.weight)] })
  }

  /// Convolutions in one type.
  static func convolutions(_ dtype: DType) -> [OperationCase] {
    let belowAndRight = Convolution2D.Padding(top: 0, left: 0, bottom: 1, right: 1)
    let uneven = Convolution2D.Padding(top: 2, left: 0, bottom: 1, right: 3)
    let extents = [
      ConvolutionExtents([1, 1, 1, 1], out: 1, 1, 1),
      ConvolutionExtents([2, 5, 7, 13], out: 17, 1, 1),
      ConvolutionExtents([2, 5, 7, 3], out: 5, 3, 3, padding: .all(1)),
      ConvolutionExtents([1, 8, 8, 16], out: 24, 3, 3, padding: .all(1)),
      ConvolutionExtents([3, 4, 6, 4], out: 32, 3, 3, padding: .all(1)),
      ConvolutionExtents([1, 6, 5, 2], out: 3, 3, 3),
      ConvolutionExtents([1, 3, 3, 5], out: 7, 3, 3),
      ConvolutionExtents([2, 8, 8, 3], out: 4, 3, 3, stride: 2, padding: .all(1)),
      ConvolutionExtents([1, 7, 9, 3], out: 4, 3, 3, stride: 2, padding: .all(1)),
      ConvolutionExtents([2, 8, 6, 5], out: 3, 3, 3, stride: 2, padding: belowAndRight),
      ConvolutionExtents([1, 7, 9, 5], out: 3, 3, 3, stride: 2, padding: belowAndRight),
      ConvolutionExtents([1, 6, 8, 3], out: 2, 3, 3, stride: 2, padding: belowAndRight),
      ConvolutionExtents([1, 5, 6, 3], out: 2, 3, 3, padding: uneven),
      ConvolutionExtents([1, 7, 7, 3], out: 2, 1, 1, stride: 2),
      ConvolutionExtents([1, 9, 8, 3], out: 5, 2, 2, stride: 2),
      ConvolutionExtents([1, 11, 8, 2], out: 3, 2, 3, stride: 3),
      ConvolutionExtents([2, 6, 9, 3], out: 4, 1, 3, padding: .init(top: 0, left: 1, bottom: 0, right: 1)),
      ConvolutionExtents([1, 9, 9, 1], out: 1, 5, 5, padding: .all(2)),
      ConvolutionExtents([1, 20, 19, 8], out: 9, 3, 3, padding: .all(1)),
      ConvolutionExtents([1, 2, 2, 3], out: 3, 3, 3, padding: .all(1)),
      // Enough channels for a fast algorithm: odd extents, several blocks of channels and of tiles.
      ConvolutionExtents([2, 9, 8, 40], out: 36, 3, 3, padding: .all(1)),
      ConvolutionExtents([1, 8, 16, 330], out: 33, 3, 3, padding: .all(1)),
      ConvolutionExtents([1, 31, 17, 33], out: 70, 3, 3, padding: .all(1)),
      // More channels than are few: taps together and one by one, blocks of channels, several panels, uneven extents.
      ConvolutionExtents([2, 9, 7, 12], out: 20, 3, 3, stride: 2, padding: .all(1)),
      ConvolutionExtents([1, 8, 9, 24], out: 40, 3, 3, stride: 2, padding: belowAndRight),
      ConvolutionExtents([1, 7, 8, 11], out: 13, 1, 1, stride: 2),
      ConvolutionExtents([2, 11, 8, 10], out: 18, 2, 3, stride: 3, padding: uneven),
      ConvolutionExtents([1, 5, 6, 210], out: 36, 3, 3, padding: uneven),
      ConvolutionExtents([1, 4, 5, 400], out: 40, 3, 3, padding: .all(1)),
      ConvolutionExtents([2, 5, 3, 40], out: 410, 3, 3, stride: 2, padding: .all(1)),
      // Few channels on one side.
      ConvolutionExtents([1, 7, 8, 5], out: 40, 3, 3, padding: uneven),
      ConvolutionExtents([1, 7, 8, 40], out: 5, 3, 3, padding: uneven),
      ConvolutionExtents([2, 6, 7, 20], out: 6, 3, 2, stride: 2, padding: .all(1)),
      // More pixels than one block of a sum.
      ConvolutionExtents([1, 96, 90, 9], out: 10, 3, 3, padding: .all(1)),
      // Nine million products: more than a backend should unfold at once.
      ConvolutionExtents([1, 132, 128, 60], out: 1, 3, 3, padding: .all(1)),
      ConvolutionExtents([0, 4, 4, 3], out: 2, 3, 3, padding: .all(1)),
      ConvolutionExtents([0, 4, 4, 3], out: 2, 1, 1),
    ]
    return extents.flatMap {
      [convolution($0, dtype), convolutionBackwardInput($0, dtype), convolutionBackwardWeight($0, dtype)]
    } + [extents[0], extents[1], extents[9]].map { convolution($0, bias: false, dtype) }
  }
}
