import Tensor

extension OperationCatalogue {
  /// A group normalisation.
  public static func groupNorm(
    _ shape: Shape, _ spec: GroupNormalization, _ input: Distribution = .normal(), _ dtype: DType = .float32
  ) -> OperationCase {
    OperationCase(
      .groupNorm, describe(shape, spec, input, dtype),
      operands: [Operand(shape, dtype, input)] + scaleAndShift(shape, dtype),
      outputs: [Output(shape, dtype, .overwrite), Output([shape[0], spec.groups, 2], .float32, .overwrite)],
      elements: shape.count,
      run: { backend, operands, outputs in
        backend.groupNorm(
          operands[0], gamma: operands[1], beta: operands[2], spec, into: outputs[0].tensor,
          statistics: outputs[1].tensor)
      },
      reference: {
        let (out, statistics) = Reference.groupNorm($0[0], gamma: $0[1], beta: $0[2], spec)
        return [out, statistics]
      })
  }

  /// Those derivatives of a group normalisation that are `wanted`: by input, scale and shift.
  public static func groupNormBackward(
    _ shape: Shape, _ spec: GroupNormalization, _ input: Distribution = .normal(),
    wanted: [Bool] = [true, true, true], _ dtype: DType = .float32
  ) -> OperationCase {
    let statistics = Operand(
      [shape[0], spec.groups, 2], .float32,
      .computed { Reference.groupNorm($0[0], gamma: $0[1], beta: $0[2], spec).statistics })
    return OperationCase(
      .groupNormBackward, "\(describe(shape, spec, input, dtype)) \(describe(wanted))",
      operands: [Operand(shape, dtype, input)] + scaleAndShift(shape, dtype) + [statistics, Operand(shape, dtype)],
      outputs: select([shape, [shape[3]], [shape[3]]].map { Output($0, dtype) }, wanted), elements: shape.count,
      run: { backend, operands, outputs in
        let places = spread(outputs, wanted)
        backend.groupNormBackward(
          operands[0], operands[4], gamma: operands[1], beta: operands[2], statistics: operands[3], spec,
          dx: places[0], dgamma: places[1], dbeta: places[2])
      },
      reference: {
        select(
          Reference.groupNormBackward($0[0], $0[4], gamma: $0[1], beta: $0[2], statistics: $0[3], spec), wanted)
      })
  }

  /// A layer normalisation of [rows, width].
  public static func layerNorm(
    _ shape: Shape, _ input: Distribution = .normal(), _ dtype: DType = .float32
  ) -> OperationCase {
    let epsilon: Float = 1e-5
    return OperationCase(
      .layerNorm, "\(shape) \(describe(input)) \(dtype)",
      operands: [Operand(shape, dtype, input)] + scaleAndShift(shape, dtype),
      outputs: [Output(shape, dtype, .overwrite), Output([shape[0], 2], .float32, .overwrite)],
      elements: shape.count,
      run: { backend, operands, outputs in
        backend.layerNorm(
          operands[0], gamma: operands[1], beta: operands[2], epsilon: epsilon, into: outputs[0].tensor,
          statistics: outputs[1].tensor)
      },
      reference: {
        let (out, statistics) = Reference.layerNorm($0[0], gamma: $0[1], beta: $0[2], epsilon: epsilon)
        return [out, statistics]
      })
  }

  /// Those derivatives of a layer normalisation that are `wanted`: by input, scale and shift.
  public static func layerNormBackward(
    _ shape: Shape, _ input: Distribution = .normal(), wanted: [Bool] = [true, true, true],
    _ dtype: DType = .float32
  ) -> OperationCase {
    let statistics = Operand(
      [shape[0], 2], .float32,
      .computed { Reference.layerNorm($0[0], gamma: $0[1], beta: $0[1], epsilon: 1e-5).statistics })
    return OperationCase(
      .layerNormBackward, "\(shape) \(describe(input)) \(describe(wanted)) \(dtype)",
      operands: [
        Operand(shape, dtype, input), Operand([shape[1]], dtype, .normal(mean: 1, deviation: 0.5)), statistics,
        Operand(shape, dtype),
      ],
      outputs: select([shape, [shape[1]], [shape[1]]].map { Output($0, dtype) }, wanted), elements: shape.count,
      run: { backend, operands, outputs in
        let places = spread(outputs, wanted)
        backend.layerNormBackward(
          operands[0], operands[3], gamma: operands[1], statistics: operands[2],
          dx: places[0], dgamma: places[1], dbeta: places[2])
      },
      reference: {
        select(Reference.layerNormBackward($0[0], $0[3], gamma: $0[1], statistics: $0[2]), wanted)
      })
  }

  /// Normalisations of one type.
  static func normalizations(_ dtype: DType) -> [OperationCase] {
    let groupShapes: [(Shape, Int)] = [
      ([1, 1, 1, 2], 1), ([2, 3, 5, 4], 2), ([1, 4, 4, 32], 32), ([2, 5, 1, 6], 1), ([3, 3, 3, 10], 5),
      ([1, 1, 1, 4], 4), ([2, 8, 8, 64], 32), ([1, 17, 19, 21], 7), ([2, 24, 24, 40], 8), ([0, 4, 4, 8], 2),
      ([2, 3, 5, 24], 2), ([1, 36, 36, 40], 2), ([1, 3, 3, 320], 32),
    ]
    let far = Distribution.normal(mean: 100, deviation: 1)
    let partly = [[true, false, false], [false, true, true], [false, true, false], [false, false, true]]
    let typical = GroupNormalization(groups: 2, epsilon: 1e-6, silu: true)
    let groupCases = [false, true].flatMap { silu in
      groupShapes.flatMap { shape, groups in
        let spec = GroupNormalization(groups: groups, epsilon: 1e-5, silu: silu)
        return [groupNorm(shape, spec, .normal(), dtype), groupNormBackward(shape, spec, .normal(), dtype)]
      }
    }
    let groupVariants =
      (partly + [[true, true, true]]).map { groupNormBackward([2, 3, 5, 6], typical, .normal(), wanted: $0, dtype) } + [
        groupNorm([2, 7, 5, 6], typical, far, dtype), groupNormBackward([2, 7, 5, 6], typical, far, dtype),
        groupNorm([2, 3, 5, 6], typical, .normal(), dtype),
        groupNorm([1, 36, 36, 40], typical, .normal(mean: 10), dtype),
      ]
    let rowShapes: [Shape] = [
      [1, 1], [5, 7], [3, 320], [77, 13], [2, 1281], [129, 8], [300, 96], [5, 33], [0, 4],
    ]
    let rowCases = rowShapes.flatMap { [layerNorm($0, .normal(), dtype), layerNormBackward($0, .normal(), dtype)] }
    let rowVariants =
      partly.map { layerNormBackward([5, 33], .normal(), wanted: $0, dtype) } + [
        layerNorm([4, 65], far, dtype), layerNormBackward([4, 65], far, dtype),
      ]
    return groupCases + groupVariants + rowCases + rowVariants
  }

  private static func scaleAndShift(_ shape: Shape, _ dtype: DType) -> [Operand] {
    [Operand([shape[-1]], dtype, .normal(mean: 1, deviation: 0.5)), Operand([shape[-1]], dtype)]
  }

  private static func describe(
    _ shape: Shape, _ spec: GroupNormalization, _ input: Distribution, _ dtype: DType
  ) -> String {
    "\(shape) groups \(spec.groups)\(spec.silu ? " silu" : "") \(describe(input)) \(dtype)"
  }

  private static func describe(_ input: Distribution) -> String {
    if case .normal(let mean, _) = input, mean != 0 { "mean \(mean)" } else { "mean 0" }
  }
}

// MARK: - Derivatives that are not all wanted

extension OperationCatalogue {
  /// The entries that are wanted.
  static func select<Entry>(_ entries: [Entry], _ wanted: [Bool]) -> [Entry] {
    zip(entries, wanted).filter(\.1).map(\.0)
  }

  /// The outputs at the places of those that are wanted.
  static func spread(_ outputs: [Destination], _ wanted: [Bool]) -> [Destination?] {
    var remaining = outputs[...]
    return wanted.map { $0 ? remaining.removeFirst() : nil }
  }

  static func describe(_ wanted: [Bool]) -> String {
    "wanted " + wanted.map { $0 ? "1" : "0" }.joined()
  }
}
