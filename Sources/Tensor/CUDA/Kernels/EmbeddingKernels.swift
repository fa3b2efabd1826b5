extension KernelSource {
  /// Look-ups of rows, for every type.
  static let gather = KernelSource(
    name: "gather",
    text: #"""
      // A thread copies N neighbours of one row. A row outside the table stops the kernel, so that the next call that
      // waits for the card fails.
      template <int N> __device__ __forceinline__ void gatherPacks(
          const T* table, const int* indices, T* out, unsigned packs, unsigned packsPerRow, int rows) {
        unsigned pack = blockIdx.x * blockDim.x + threadIdx.x;
        if (pack >= packs) return;
        unsigned i = pack / packsPerRow, packOfRow = pack - i * packsPerRow;
        int row = indices[i];
        if (row < 0 || row >= rows) __trap();
        movePack<N>(table + ((long long)row * packsPerRow + packOfRow) * N, out + (long long)pack * N, 0);
      }

      extern "C" __global__ void gatherWide(
          const T* table, const int* indices, T* out, unsigned packs, unsigned packsPerRow, int rows) {
        gatherPacks<vectorWidth<T>>(table, indices, out, packs, packsPerRow, rows);
      }

      extern "C" __global__ void gatherNarrow(
          const T* table, const int* indices, T* out, unsigned packs, unsigned packsPerRow, int rows) {
        gatherPacks<1>(table, indices, out, packs, packsPerRow, rows);
      }
      """#,
    variants: DType.allCases.map { [KernelMacro("T", $0)] })

  /// The derivative of a look-up by its table, of type OUT, from gradients of type T.
  static let gatherBackward = KernelSource(
    name: "gatherBackward",
    text: #"""
      // Blocks along x take one index each, blocks along y the columns of the table. The block whose index is the
      // first of its row sums the gradients of all equal indices in their order; the other blocks have nothing to do.
      // Each warp looks at 32 indices at a time.
      template <int N> __device__ __forceinline__ void sumRow(
          const int* indices, const T* gradient, OUT* table, int count, int rows, int columns, int accumulate) {
        int lane = threadIdx.x % 32, own = blockIdx.x, row = indices[own];
        if (row < 0 || row >= rows) __trap();
        for (int start = 0; start < own; start += 32) {
          int i = start + lane;
          if (__any_sync(0xffffffffu, i < own && indices[i] == row)) return;
        }
        int column = (blockIdx.y * blockDim.x + threadIdx.x) * N;
        float sum[N] = {};
        for (int start = own; start < count; start += 32) {
          int i = start + lane;
          unsigned equal = __ballot_sync(0xffffffffu, i < count && indices[i] == row);
          while (equal) {
            long long from = (long long)(start + __ffs(equal) - 1) * columns;
            equal &= equal - 1;
            float values[N];
            loadPack(values, gradient, from + column, from + columns);
            for (int i = 0; i < N; i++) sum[i] += values[i];
          }
        }
        storePack(table, sum, (long long)row * columns + column, (long long)(row + 1) * columns, accumulate);
      }

      extern "C" __global__ void gatherBackwardWide(
          const int* indices, const T* gradient, OUT* table, int count, int rows, int columns, int accumulate) {
        sumRow<16 / sizeof(OUT)>(indices, gradient, table, count, rows, columns, accumulate);
      }

      extern "C" __global__ void gatherBackwardNarrow(
          const int* indices, const T* gradient, OUT* table, int count, int rows, int columns, int accumulate) {
        sumRow<1>(indices, gradient, table, count, rows, columns, accumulate);
      }
      """#,
    variants: DType.floatingPoint.map { [KernelMacro("T", $0), KernelMacro("OUT", $0)] }
      + [DType.float16, .bfloat16].map { [KernelMacro("T", $0), KernelMacro("OUT", DType.float32)] })
}
