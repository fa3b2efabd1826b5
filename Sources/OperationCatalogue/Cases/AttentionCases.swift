import Tensor

/// The extents of an attention in a catalogue case.
public struct AttentionExtents: Sendable {
  let batch: Int, queries: Int, keys: Int, heads: Int, headSize: Int
  let spec: Attention
  let deviation: Double

  /// Attention with the usual scale; `deviation` spreads the queries and with them the scores.
  public init(
    _ batch: Int, queries: Int, keys: Int, heads: Int, headSize: Int, causal: Bool = false, deviation: Double = 1
  ) {
    self.batch = batch
    self.queries = queries
    self.keys = keys
    self.heads = heads
    self.headSize = headSize
    self.deviation = deviation
    spec = Attention(scale: 1 / Float(headSize).squareRoot(), causal: causal)
  }

  var queryShape: Shape { [batch, queries, heads, headSize] }
  var keyShape: Shape { [batch, keys, heads, headSize] }
  var logSumExpShape: Shape { [batch, heads, queries] }
  var flops: Int { OperationCost.attention(queries: queryShape, keys: keys) }

  func operands(_ dtype: DType) -> [Operand] {
    [Operand(queryShape, dtype, .normal(deviation: deviation)), Operand(keyShape, dtype), Operand(keyShape, dtype)]
  }

  var description: String {
    "\(queryShape) keys \(keys)\(spec.causal ? " causal" : "")\(deviation == 1 ? "" : " deviation \(deviation)")"
  }
}

extension OperationCatalogue {
  /// An attention.
  public static func attention(_ extents: AttentionExtents, _ dtype: DType = .float32) -> OperationCase {
    let spec = extents.spec
    return OperationCase(
      .attention, "\(extents.description) \(dtype)", operands: extents.operands(dtype),
      outputs: [
        Output(extents.queryShape, dtype, .overwrite), Output(extents.logSumExpShape, .float32, .overwrite),
      ],
      flops: extents.flops,
      run: { backend, operands, outputs in
        backend.attention(
          operands[0], operands[1], operands[2], spec, into: outputs[0].tensor, logSumExp: outputs[1].tensor)
      },
      reference: {
        let (out, logSumExp) = Reference.attention($0[0], $0[1], $0[2], spec, dtype)
        return [out, logSumExp]
      })
  }

  /// Those derivatives of an attention that are `wanted`: by queries, keys and values.
  public static func attentionBackward(
    _ extents: AttentionExtents, wanted: [Bool] = [true, true, true], _ dtype: DType = .float32
  ) -> OperationCase {
    let spec = extents.spec
    let saved = [
      Operand(extents.queryShape, dtype, .computed { Reference.attention($0[0], $0[1], $0[2], spec).out }),
      Operand(
        extents.logSumExpShape, .float32, .computed { Reference.attention($0[0], $0[1], $0[2], spec).logSumExp }),
    ]
    let shapes = [extents.queryShape, extents.keyShape, extents.keyShape]
    return OperationCase(
      .attentionBackward, "\(extents.description) \(describe(wanted)) \(dtype)",
      operands: extents.operands(dtype) + saved + [Operand(extents.queryShape, dtype)],
      outputs: select(shapes.map { Output($0, dtype, mayRoundBeforeAdding: true) }, wanted),
      flops: OperationCost.attentionBackward(queries: extents.queryShape, keys: extents.keys),
      run: { backend, operands, outputs in
        let places = spread(outputs, wanted)
        backend.attentionBackward(
          operands[0], operands[1], operands[2], out: operands[3], logSumExp: operands[4], operands[5], spec,
          dq: places[0], dk: places[1], dv: places[2])
      },
      reference: {
        select(
          Reference.attentionBackward($0[0], $0[1], $0[2], out: $0[3], logSumExp: $0[4], $0[5], spec, dtype), wanted)
      })
  }

  /// Attentions in one type.
  static func attentions(_ dtype: DType) -> [OperationCase] {
    let extents = [
      AttentionExtents(1, queries: 1, keys: 1, heads: 1, headSize: 1),
      AttentionExtents(2, queries: 5, keys: 5, heads: 3, headSize: 8),
      AttentionExtents(2, queries: 7, keys: 11, heads: 2, headSize: 40),
      AttentionExtents(1, queries: 9, keys: 77, heads: 2, headSize: 64),
      AttentionExtents(1, queries: 3, keys: 77, heads: 1, headSize: 160),
      AttentionExtents(1, queries: 6, keys: 5, heads: 2, headSize: 80),
      AttentionExtents(1, queries: 4, keys: 4, heads: 1, headSize: 512),
      AttentionExtents(2, queries: 13, keys: 3, heads: 2, headSize: 3),
      AttentionExtents(1, queries: 2, keys: 300, heads: 2, headSize: 33),
      AttentionExtents(1, queries: 257, keys: 257, heads: 1, headSize: 8),
      AttentionExtents(1, queries: 130, keys: 70, heads: 2, headSize: 5),
      AttentionExtents(2, queries: 1, keys: 1, heads: 2, headSize: 4, causal: true),
      AttentionExtents(2, queries: 13, keys: 13, heads: 2, headSize: 7, causal: true),
      AttentionExtents(1, queries: 77, keys: 77, heads: 2, headSize: 16, causal: true),
      AttentionExtents(1, queries: 131, keys: 131, heads: 1, headSize: 9, causal: true),
      AttentionExtents(1, queries: 9, keys: 17, heads: 1, headSize: 8, deviation: 30),
      AttentionExtents(0, queries: 3, keys: 3, heads: 2, headSize: 4),
    ]
    let partly = [[true, false, false], [false, true, true], [false, true, false], [false, false, true]]
    return extents.flatMap { [attention($0, dtype), attentionBackward($0, dtype)] }
      + partly.flatMap { wanted in
        [extents[2], extents[12]].map { attentionBackward($0, wanted: wanted, dtype) }
      }
  }
}
