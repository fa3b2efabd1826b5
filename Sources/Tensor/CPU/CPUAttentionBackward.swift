import CPUKernels

extension CPUBackend {
  /// The derivatives of `attention`, each computed only where it is wanted.
  ///
  /// Each part of the work is one head, some of its keys and some of its queries. What the parts contribute is added in
  /// a fixed order, and the shapes alone decide how the work is cut.
  public func attentionBackward(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, out: Tensor, logSumExp: Tensor, _ gradient: Tensor, _ spec: Attention,
    dq: Destination?, dk: Destination?, dv: Destination?
  ) {
    let name: StaticString = "attentionBackward"
    let heads = AttentionHeads(queries: q.shape, keys: k.shape)
    let head = heads.head(spec)
    let (q, k, v, out) = (q.host(name), k.host(name), v.host(name), out.host(name))
    let (logSumExp, gradient) = (logSumExp.host(name), gradient.host(name))
    let kernels = kernels
    // Thirty-two parts occupy many threads. Keys are cut first: then only one derivative has parts to add, and not two.
    let partsPerHead = 32 / max(heads.count, 1)
    let keyParts = AttentionParts(heads.keyCount, atMost: partsPerHead, block: kernels.attentionBlock)
    let queryParts = AttentionParts(
      heads.queryCount, atMost: partsPerHead / max(keyParts.count, 1), block: kernels.attentionBlock)

    let dq = dq.map { AttentionSums($0.host(name), $0.write, heads, .queries, partCount: keyParts.count, kernels) }
    let dk = dk.map { AttentionSums($0.host(name), $0.write, heads, .keys, partCount: queryParts.count, kernels) }
    let dv = dv.map { AttentionSums($0.host(name), $0.write, heads, .keys, partCount: queryParts.count, kernels) }
    let (dqSize, dkSize, dvSize) = (dq?.size ?? 0, dk?.size ?? 0, dv?.size ?? 0)
    withWorkspace(dqSize + dkSize + dvSize) { sums in
      let (dqStart, dkStart, dvStart) = (sums, sums + dqSize, sums + dqSize + dkSize)
      func store(_ tokens: AttentionTokens, of kind: AttentionSums.Kind, head: Int) {
        if kind == .queries {
          dq?.store(tokens, of: head, dqStart)
        } else {
          dk?.store(tokens, of: head, dkStart)
          dv?.store(tokens, of: head, dvStart)
        }
      }
      threads.parallelFor(heads.count * keyParts.count * queryParts.count) { part in
        let (rest, queryPart) = part.quotientAndRemainder(dividingBy: queryParts.count)
        let (number, keyPart) = rest.quotientAndRemainder(dividingBy: keyParts.count)
        let (queries, keys) = (heads.queryOffset(number), heads.keyOffset(number))
        let operands = AttentionOperands(
          q: q + queries, k: k + keys, v: v + keys, out: out + queries, gradient: gradient + queries,
          logSumExp: logSumExp + number * heads.queryCount)
        let (queryTokens, keyTokens) = (queryParts[queryPart], keyParts[keyPart])
        withWorkspace(kernels.attentionBackwardWorkspace(headSize: heads.size, queryCount: queryTokens.count)) {
          kernels.attentionBackward(
            head, operands, queries: queryTokens, keys: keyTokens,
            dq: dq?.place(of: number, part: keyPart, token: queryTokens.first, dqStart),
            dk: dk?.place(of: number, part: queryPart, token: keyTokens.first, dkStart),
            dv: dv?.place(of: number, part: queryPart, token: keyTokens.first, dvStart), workspace: $0)
        }
        if keyParts.count == 1 { store(queryTokens, of: .queries, head: number) }
        if queryParts.count == 1 { store(keyTokens, of: .keys, head: number) }
      }
      for (kind, parts, tokens) in [
        (AttentionSums.Kind.queries, keyParts.count, heads.queryCount), (.keys, queryParts.count, heads.keyCount),
      ] where parts > 1 {
        let blocks = AttentionParts(tokens, size: kernels.attentionBlock)
        threads.parallelFor(heads.count * blocks.count) {
          let (number, block) = $0.quotientAndRemainder(dividingBy: blocks.count)
          store(blocks[block], of: kind, head: number)
        }
      }
    }
  }
}

/// The derivatives by one operand in parts that have yet to be added: [parts, heads, tokens, size], in an order that the
/// kernels choose for each head.
private struct AttentionSums {
  enum Kind {
    case queries, keys
  }

  private let out: Floats
  private let write: Write
  private let heads: AttentionHeads
  private let kind: Kind
  private let partCount: Int
  private let kernels: any KernelSet.Type
  private let headLength: Int

  init(
    _ out: Floats, _ write: Write, _ heads: AttentionHeads, _ kind: Kind, partCount: Int, _ kernels: any KernelSet.Type
  ) {
    self.out = out
    self.write = write
    self.heads = heads
    self.kind = kind
    self.partCount = partCount
    self.kernels = kernels
    headLength = kernels.attentionDerivatives(
      headSize: heads.size, count: kind == .queries ? heads.queryCount : heads.keyCount)
  }

  /// How many numbers they are.
  var size: Int { partCount * heads.count * headLength }

  /// Where the derivatives by the tokens from `token` on, the first of a block, begin in a part.
  func place(of head: Int, part: Int, token: Int, _ start: Floats) -> Floats {
    start + (part * heads.count + head) * headLength
      + kernels.attentionDerivatives(headSize: heads.size, count: token)
  }

  /// Adds up the parts of some tokens of a head, and stores the sums.
  func store(_ tokens: AttentionTokens, of head: Int, _ start: Floats) {
    let parts = place(of: head, part: 0, token: tokens.first, start)
    let offset = (kind == .queries ? heads.queryOffset(head) : heads.keyOffset(head)) + tokens.first * heads.tokenStride
    if kind == .queries {
      kernels.storeAttentionQueries(
        parts, distance: heads.count * headLength, partCount: partCount, headSize: heads.size, count: tokens.count,
        into: out + offset, stride: heads.tokenStride, write)
    } else {
      kernels.storeAttentionKeys(
        parts, distance: heads.count * headLength, partCount: partCount, headSize: heads.size, count: tokens.count,
        into: out + offset, stride: heads.tokenStride, write)
    }
  }
}
