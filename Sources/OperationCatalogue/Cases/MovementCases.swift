import Tensor

extension OperationCatalogue {
  /// Movements of elements of one type.
  static func movement(_ dtype: DType) -> [OperationCase] {
    transposes(dtype) + blockCopies(dtype) + upsamplings(dtype)
  }

  /// Movements of integers, which are only ever replaced.
  static var movementOfIntegers: [OperationCase] {
    [DType.int32, .uint8].flatMap { dtype in
      [
        copyBlocks([6, 5], into: [6, 9], joinLast, .overwrite, dtype),
        upsampleNearest([2, 3, 4, 5], to: 6, 7, dtype),
      ]
    }
  }

  private static let joinLast = BlockCopy(outer: 6, count: 5, source: (0, 5), target: (3, 9))

  /// A reordering of axes.
  public static func transpose(_ shape: Shape, _ permutation: [Int], _ dtype: DType = .float32) -> OperationCase {
    let out = Shape(permutation.map { shape[$0] })
    return OperationCase(
      .transpose, "\(shape) \(permutation) \(dtype)",
      operands: [Operand(shape, dtype, .numbers(dtype))], outputs: [Output(out, dtype, .writable(dtype))],
      elements: out.count,
      isMovement: true,
      run: { backend, operands, outputs in backend.transpose(operands[0], permutation, into: outputs[0]) },
      reference: { [$0[0].transposed(permutation)] })
  }

  /// A strided copy into an existing tensor, whose other elements must stay.
  public static func copyBlocks(
    _ source: Shape, into target: Shape, _ copy: BlockCopy, _ write: Write, _ dtype: DType = .float32
  ) -> OperationCase {
    let extents = "\(copy.outer)x\(copy.count) \(copy.source) to \(copy.target)"
    return OperationCase(
      .copyBlocks, "\(source) into \(target) \(extents) \(write) \(dtype)",
      operands: [Operand(source, dtype, .numbers(dtype)), Operand(target, dtype, .numbers(dtype))],
      outputs: [Output(target, dtype, .update(operand: 1))], elements: copy.outer * copy.count,
      isMovement: write == .overwrite,
      run: { backend, operands, outputs in
        backend.copyBlocks(operands[0], copy, into: Destination(tensor: outputs[0].tensor, write: write))
      },
      reference: { [Reference.copyBlocks($0[0], copy, write, into: $0[1])] })
  }

  /// The enlargement of a picture.
  public static func upsampleNearest(
    _ shape: Shape, to height: Int, _ width: Int, _ dtype: DType = .float32
  ) -> OperationCase {
    let out: Shape = [shape[0], height, width, shape[3]]
    return OperationCase(
      .upsampleNearest, "\(shape) to \(height)x\(width) \(dtype)",
      operands: [Operand(shape, dtype, .numbers(dtype))], outputs: [Output(out, dtype, .overwrite)],
      elements: out.count,
      isMovement: true,
      run: { backend, operands, outputs in backend.upsampleNearest(operands[0], into: outputs[0].tensor) },
      reference: { [Reference.upsampleNearest($0[0], height, width)] })
  }

  /// The derivative of the enlargement of a picture.
  public static func upsampleNearestBackward(
    _ shape: Shape, to height: Int, _ width: Int, _ dtype: DType = .float32
  ) -> OperationCase {
    let out: Shape = [shape[0], height, width, shape[3]]
    return OperationCase(
      .upsampleNearestBackward, "\(shape) to \(height)x\(width) \(dtype)",
      operands: [Operand(out, dtype)], outputs: [Output(shape, dtype)], elements: out.count,
      run: { backend, operands, outputs in backend.upsampleNearestBackward(operands[0], into: outputs[0]) },
      reference: { [Reference.upsampleNearestBackward($0[0], shape)] })
  }

  private static func transposes(_ dtype: DType) -> [OperationCase] {
    let patterns: [(Shape, [Int])] = [
      ([5], [0]), ([1, 1], [1, 0]), ([7, 13], [1, 0]), ([7, 13], [0, 1]), ([65, 130], [1, 0]), ([130, 257], [1, 0]),
      ([2, 3, 5], [0, 2, 1]), ([2, 3, 5], [2, 1, 0]), ([2, 3, 5], [1, 2, 0]), ([4, 1, 6], [1, 0, 2]),
      ([2, 3, 5, 7], [0, 2, 1, 3]), ([2, 3, 5, 7], [0, 3, 1, 2]), ([2, 3, 5, 7], [0, 2, 3, 1]),
      ([2, 3, 5, 7], [3, 2, 1, 0]), ([7, 3, 3, 5], [2, 3, 1, 0]), ([3, 5, 16], [1, 0, 2]),
      ([2, 3, 4, 8], [2, 1, 0, 3]),
      ([2, 40, 3, 33], [1, 3, 0, 2]), ([0, 3], [1, 0]),
    ]
    return patterns.map { transpose($0, $1, dtype) }
  }

  private static func blockCopies(_ dtype: DType) -> [OperationCase] {
    let takeMiddle = BlockCopy(outer: 4, count: 2, source: (3, 7), target: (0, 2))
    let whole = BlockCopy(outer: 1, count: 24, source: (0, 24), target: (12, 24))
    let single = BlockCopy(outer: 11, count: 1, source: (2, 3), target: (1, 2))
    let packed = BlockCopy(outer: 5, count: 8, source: (8, 16), target: (16, 24))
    let nothing = BlockCopy(outer: 0, count: 5, source: (0, 5), target: (0, 5))
    let large = BlockCopy(outer: 300, count: 257, source: (0, 257), target: (7, 300))
    return Write.allCases.flatMap { write in
      [
        copyBlocks([6, 5], into: [6, 9], joinLast, write, dtype),
        copyBlocks([4, 7], into: [4, 2], takeMiddle, write, dtype),
        copyBlocks([2, 12], into: [4, 12], whole, write, dtype), copyBlocks([40], into: [25], single, write, dtype),
        copyBlocks([2, 5], into: [2, 5], nothing, write, dtype),
        copyBlocks([300, 257], into: [300, 300], large, write, dtype),
        copyBlocks([5, 16], into: [5, 24], packed, write, dtype),
      ]
    }
  }

  private static func upsamplings(_ dtype: DType) -> [OperationCase] {
    let patterns: [(Shape, Int, Int)] = [
      ([1, 1, 1, 1], 1, 1), ([1, 1, 1, 3], 2, 2), ([2, 4, 4, 5], 8, 8), ([1, 4, 5, 3], 7, 9), ([2, 3, 2, 8], 6, 3),
      ([1, 3, 3, 2], 7, 8), ([1, 5, 2, 1], 5, 5), ([1, 16, 16, 33], 32, 32), ([0, 2, 2, 3], 4, 4),
      ([2, 3, 4, 5], 6, 7), ([1, 6, 4, 16], 12, 8),
    ]
    return patterns.flatMap {
      [upsampleNearest($0, to: $1, $2, dtype), upsampleNearestBackward($0, to: $1, $2, dtype)]
    }
  }
}

extension Distribution {
  /// Numbers that any type can hold.
  static func numbers(_ dtype: DType) -> Distribution {
    dtype.isFloatingPoint ? .normal() : .integers(0..<256)
  }
}

extension Output.Mode {
  /// Whole numbers are only ever replaced.
  static func writable(_ dtype: DType) -> Output.Mode { dtype.isFloatingPoint ? .either : .overwrite }
}
