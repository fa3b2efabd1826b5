/// Attention that never writes its scores: a block of threads holds some rows in registers and goes through all tokens
/// of the other side in shared memory (T. Dao, FlashAttention-2, 2023). The products run on tensor cores.
enum FlashAttention {
  /// The oldest card with the tensor core products that the kernels are made of, as ten times its compute capability.
  static let minimumCapability = 80

  /// Whether the kernels take these queries and keys on a card of this compute capability.
  static func supports(queries: Tensor, keys: Tensor, capability: Int) -> Bool {
    let (largestGrid, largestIndex) = (65_535, Int(UInt32.max))
    return capability >= minimumCapability && dtypes.contains(queries.dtype) && headSizes.contains(queries.shape[3])
      && max(queries.shape[0], queries.shape[2]) <= largestGrid && max(queries.count, keys.count) <= largestIndex
  }

  private static let dtypes: [DType] = [.float16, .bfloat16]
  private static let headSizes = Array(stride(from: 8, through: 160, by: 8))

  /// How a kernel divides its work. What is best depends on the registers that a head takes; the choices were measured.
  struct Tiling {
    /// Warps in a block.
    let warps: Int
    /// Tiles of 16 rows that a warp owns. Two halve what is read from shared memory.
    let rowTiles: Int
    /// Tokens in shared memory at a time: a multiple of 16; for gradients by keys, one that divides 64 and the rows of a
    /// block of gradients by queries.
    let tokens: Int
    /// Blocks that a multiprocessor holds, which limits the registers of a thread.
    let residentBlocks: Int
    /// Whether rows stay in registers, or come from shared memory for every product.
    var keepsRows = true
    /// Steps of 16 tokens that are interleaved.
    var unrolledSteps = 4

    /// Rows that a block owns.
    var blockRows: Int { 16 * warps * rowTiles }
    var threads: Int { 32 * warps }

    /// Shared memory for rows of so many tensors, for two tiles of two tensors' tokens, and for two numbers beside each
    /// token.
    func sharedBytes(headSize: Int, rowTensors: Int, tokenNumbers: Int = 0) -> Int {
      let pitch = (headSize / 8 | 1) * 16
      return (rowTensors * blockRows + 4 * tokens) * pitch + tokenNumbers * 2 * tokens * 4
    }

    func macros(_ dtype: DType, headSize: Int) -> [KernelMacro] {
      let numbers = [
        ("HEAD_SIZE", headSize), ("WARPS", warps), ("ROW_TILES", rowTiles), ("TOKENS", tokens),
        ("RESIDENT_BLOCKS", residentBlocks), ("KEEPS_ROWS", keepsRows ? 1 : 0), ("UNROLLED_STEPS", unrolledSteps),
      ]
      return [KernelMacro("T", dtype)] + numbers.map { KernelMacro($0.0, String($0.1)) }
    }
  }

  static func forward(headSize: Int) -> Tiling {
    switch headSize {
    case ...40: Tiling(warps: 4, rowTiles: 2, tokens: 64, residentBlocks: 2)
    case ...80: Tiling(warps: 4, rowTiles: 2, tokens: 48, residentBlocks: 2)
    default: Tiling(warps: 2, rowTiles: 1, tokens: 32, residentBlocks: 4)
    }
  }

  static func queryGradient(headSize: Int) -> Tiling {
    switch headSize {
    case ...40: Tiling(warps: 4, rowTiles: 2, tokens: 48, residentBlocks: 2, unrolledSteps: 3)
    case ...80: Tiling(warps: 4, rowTiles: 2, tokens: 32, residentBlocks: 2, unrolledSteps: 1)
    default: Tiling(warps: 2, rowTiles: 1, tokens: 32, residentBlocks: 4, unrolledSteps: 2)
    }
  }

  static func keyGradient(headSize: Int) -> Tiling {
    switch headSize {
    case ...40: Tiling(warps: 4, rowTiles: 2, tokens: 32, residentBlocks: 2, unrolledSteps: 2)
    case ...80: Tiling(warps: 4, rowTiles: 1, tokens: 64, residentBlocks: 2)
    default: Tiling(warps: 2, rowTiles: 1, tokens: 16, residentBlocks: 4, keepsRows: false, unrolledSteps: 1)
    }
  }

  /// The macros of a family whose work is divided as given, for every type and head size.
  static func variants(_ tiling: (_ headSize: Int) -> Tiling) -> [[KernelMacro]] {
    dtypes.flatMap { dtype in headSizes.map { tiling($0).macros(dtype, headSize: $0) } }
  }

  /// The macros of a family that depends on the type alone.
  static var typeVariants: [[KernelMacro]] { dtypes.map { [KernelMacro("T", $0)] } }
}

/// The extents of an attention as the kernels see them.
private struct FlashHeads {
  let queries: Int
  let keys: Int
  let heads: Int
  let headSize: Int
  let samples: Int
  /// Queries rounded up to whole tiles: the statistics of one head.
  var statisticsStride: Int { (queries + 63) / 64 * 64 }

  init(_ q: Tensor, _ k: Tensor) {
    (queries, keys, heads, headSize) = (q.shape[1], k.shape[1], q.shape[2], q.shape[3])
    samples = q.shape[0]
  }

  /// Blocks for the rows of one head.
  func blocks(rows: Int, _ tiling: FlashAttention.Tiling) -> Int {
    (rows + tiling.blockRows - 1) / tiling.blockRows
  }

  /// How queries are shared out where there are too few blocks of keys to keep a card busy. The shares are the same on
  /// every card, and with them the order of the sums.
  func queryParts(keyBlocks: Int) -> (count: Int, size: Int) {
    let (enoughBlocks, tile) = (256, 64)
    let tiles = max(statisticsStride / tile, 1)
    let wanted = min(max(enoughBlocks / max(keyBlocks * heads * samples, 1), 1), tiles)
    let size = (tiles + wanted - 1) / wanted * tile
    return ((tiles * tile + size - 1) / size, size)
  }
}

extension CUDABackend {
  /// softmax(scale · QKᵀ) V of operands that `FlashAttention.supports`.
  func flashAttention(
    q: Tensor, k: Tensor, v: Tensor, _ spec: Attention, into out: Tensor, logSumExp: Tensor
  ) {
    let heads = FlashHeads(q, k)
    let tiling = FlashAttention.forward(headSize: heads.headSize)
    // The running maximum wants a positive scale; turning the signs of the queries is exact.
    let scale = max(abs(spec.scale), .leastNormalMagnitude)
    let signs: UInt32 = spec.scale < 0 ? 0x8000_8000 : 0
    launch(
      Kernel(.flashAttentionForward, "attentionForward", tiling.macros(q.dtype, headSize: heads.headSize)),
      grid: KernelGrid(heads.blocks(rows: heads.queries, tiling), heads.heads, heads.samples), threads: tiling.threads,
      sharedBytes: tiling.sharedBytes(headSize: heads.headSize, rowTensors: 1),
      .tensor(q), .tensor(k), .tensor(v), .tensor(out), .tensor(logSumExp), .int32(heads.heads),
      .int32(heads.queries), .int32(heads.keys), .float(scale), .uint32(signs), .int32(spec.causal ? 1 : 0))
  }

  /// The derivatives of `flashAttention`, each computed only where it is wanted.
  ///
  /// Queries are one kernel and keys and values another, which both compute the softmax weights anew: so no sum crosses
  /// blocks, and every run adds in the same order.
  func flashAttentionBackward(
    q: Tensor, k: Tensor, v: Tensor, out: Tensor, logSumExp: Tensor, _ gradient: Tensor, _ spec: Attention,
    dq: Destination?, dk: Destination?, dv: Destination?
  ) {
    let heads = FlashHeads(q, k)
    let statisticsCount = heads.samples * heads.heads * heads.statisticsStride
    let logTotals = scratch(byteCount: statisticsCount * DType.float32.byteCount)
    let starts = scratch(byteCount: statisticsCount * DType.float32.byteCount)
    let tiling = FlashAttention.queryGradient(headSize: heads.headSize)
    launch(
      Kernel(.flashAttentionQueryGradient, "attentionQueryGradient", tiling.macros(q.dtype, headSize: heads.headSize)),
      grid: KernelGrid(heads.blocks(rows: heads.queries, tiling), heads.heads, heads.samples),
      threads: tiling.threads, sharedBytes: tiling.sharedBytes(headSize: heads.headSize, rowTensors: 2),
      .tensor(q), .tensor(k), .tensor(v), .tensor(out), .tensor(logSumExp), .tensor(gradient), .tensor(logTotals),
      .tensor(starts), .optional(dq?.tensor), .int32(heads.heads), .int32(heads.queries), .int32(heads.keys),
      .int32(heads.statisticsStride), .float(spec.scale), .int32(spec.causal ? 1 : 0),
      .int32(dq?.write == .accumulate ? 1 : 0))
    if dk != nil || dv != nil {
      flashAttentionKeyGradient(
        heads, q, k, v, gradient, spec, logTotals: logTotals, starts: starts, dk: dk, dv: dv)
    }
  }

  private func flashAttentionKeyGradient(
    _ heads: FlashHeads, _ q: Tensor, _ k: Tensor, _ v: Tensor, _ gradient: Tensor, _ spec: Attention,
    logTotals: Tensor, starts: Tensor, dk: Destination?, dv: Destination?
  ) {
    let tiling = FlashAttention.keyGradient(headSize: heads.headSize)
    let blocks = heads.blocks(rows: heads.keys, tiling)
    let parts = heads.queryParts(keyBlocks: blocks)
    func partSums(_ destination: Destination?) -> Tensor? {
      destination == nil || parts.count == 1 ? nil : scratch(byteCount: parts.count * k.count * DType.float32.byteCount)
    }
    let (dkParts, dvParts) = (partSums(dk), partSums(dv))
    launch(
      Kernel(.flashAttentionKeyGradient, "attentionKeyGradient", tiling.macros(q.dtype, headSize: heads.headSize)),
      grid: KernelGrid(blocks * parts.count, heads.heads, heads.samples), threads: tiling.threads,
      sharedBytes: tiling.sharedBytes(headSize: heads.headSize, rowTensors: 2, tokenNumbers: 2),
      .tensor(q), .tensor(k), .tensor(v), .tensor(gradient), .tensor(logTotals), .tensor(starts),
      .optional(parts.count == 1 ? dk?.tensor : nil), .optional(parts.count == 1 ? dv?.tensor : nil),
      .optional(dkParts), .optional(dvParts), .int64(k.count), .int32(heads.heads), .int32(heads.queries),
      .int32(heads.keys), .int32(heads.statisticsStride), .int32(parts.size), .float(spec.scale),
      .int32(spec.causal ? 1 : 0), .int32(dk?.write == .accumulate ? 1 : 0),
      .int32(dv?.write == .accumulate ? 1 : 0))
    if parts.count > 1 {
      let (threads, elementsPerThread, gradients) = (128, 4, 2)
      launch(
        Kernel(.flashAttentionParts, "addParts", KernelMacro("T", q.dtype)),
        grid: KernelGrid((k.count + threads * elementsPerThread - 1) / (threads * elementsPerThread), gradients),
        threads: threads, .optional(dkParts), .optional(dvParts), .optional(dk?.tensor), .optional(dv?.tensor),
        .int32(parts.count), .int64(k.count), .int32(dk?.write == .accumulate ? 1 : 0),
        .int32(dv?.write == .accumulate ? 1 : 0))
    }
  }
}
