extension KernelSource {
  /// Sums along rows of TERM, an expression of the elements `a` and `b` of two tensors of type T; OUT is the type of
  /// the sums. Sums of many terms are taken in two steps: parts of rows, then the Float32 sums of the parts.
  static let rowSums = KernelSource(
    name: "rowSums",
    text: #"""
      // The sum over elements first ..< last, in every thread of the block.
      template <int N> __device__ __forceinline__ float sumTerms(
          const T* tensorA, const T* tensorB, long long first, long long last) {
        float sums[N] = {}, packA[N], packB[N];
        long long step = (long long)blockDim.x * N, start = first + (long long)threadIdx.x * N;
        for (; start + 3 * step + N <= last; start += 4 * step) {
          #pragma unroll
          for (int k = 0; k < 4; k++) {
            loadPack(packA, tensorA, start + k * step, start + k * step + N);
            loadPack(packB, tensorB, start + k * step, start + k * step + N);
            for (int i = 0; i < N; i++) {
              float a = packA[i], b = packB[i];
              sums[i] += TERM;
            }
          }
        }
        for (; start < last; start += step) {
          loadPack(packA, tensorA, start, last);
          loadPack(packB, tensorB, start, last);
          for (int i = 0; i < N; i++) {
            float a = packA[i], b = packB[i];
            sums[i] += TERM;
          }
        }
        float sum = 0.0f;
        for (int i = 0; i < N; i++) sum += sums[i];
        return blockSum(sum);
      }

      // A block sums one part of one row.
      template <int N> __device__ __forceinline__ void sumPart(
          const T* a, const T* b, float* partialSums, long long columns, int parts, long long columnsPerPart) {
        long long row = blockIdx.x / parts, firstColumn = blockIdx.x % parts * columnsPerPart;
        long long lastColumn = min(firstColumn + columnsPerPart, columns);
        float sum = sumTerms<N>(a, b, row * columns + firstColumn, row * columns + lastColumn);
        if (threadIdx.x == 0) partialSums[blockIdx.x] = sum;
      }

      extern "C" __global__ void sumPartsWide(
          const T* a, const T* b, float* partialSums, long long columns, int parts, long long columnsPerPart) {
        sumPart<vectorWidth<T>>(a, b, partialSums, columns, parts, columnsPerPart);
      }

      extern "C" __global__ void sumPartsNarrow(
          const T* a, const T* b, float* partialSums, long long columns, int parts, long long columnsPerPart) {
        sumPart<1>(a, b, partialSums, columns, parts, columnsPerPart);
      }

      // A block sums one row.
      template <int N> __device__ __forceinline__ void sumRow(
          const T* a, const T* b, OUT* out, long long columns, double scale, int accumulate) {
        float sum = sumTerms<N>(a, b, blockIdx.x * columns, (blockIdx.x + 1) * columns);
        if (threadIdx.x == 0) write(out + blockIdx.x, (float)(sum * scale), accumulate);
      }

      extern "C" __global__ void sumRowsWide(
          const T* a, const T* b, OUT* out, long long columns, double scale, int accumulate) {
        sumRow<vectorWidth<T>>(a, b, out, columns, scale, accumulate);
      }

      extern "C" __global__ void sumRowsNarrow(
          const T* a, const T* b, OUT* out, long long columns, double scale, int accumulate) {
        sumRow<1>(a, b, out, columns, scale, accumulate);
      }
      """#,
    variants: summed.map {
      [KernelMacro("T", $0), KernelMacro("OUT", $1), KernelMacro("TERM", RowTerm.element.rawValue)]
    }
      + [RowTerm.square, .squaredDifference].flatMap { term in
        DType.floatingPoint.map {
          [KernelMacro("T", $0), KernelMacro("OUT", DType.float32), KernelMacro("TERM", term.rawValue)]
        }
      })

  /// Sums over the rows of matrices [count, inner]. Sums of many rows are taken in two steps: ranges of rows, then the
  /// Float32 sums of the ranges.
  static let columnSums = KernelSource(
    name: "columnSums",
    text: #"""
      template <int N> __device__ __forceinline__ void addRow(float (&sum)[N], const T* row) {
        float values[N];
        loadPack(values, row, 0, N);
        for (int i = 0; i < N; i++) sum[i] += values[i];
      }

      // A block sums one range of rows of one matrix for a tile of columns. Its threads stand in rows of
      // `packsPerTile`; each adds up N columns of every so many rows, then the rows of threads are added up in order.
      template <int N, typename R> __device__ __forceinline__ void sumTile(
          const T* x, R* sums, long long count, long long inner, int packsPerTile, int tiles, int parts,
          long long rowsPerPart, float scale, int accumulate) {
        __shared__ float tile[256 * N];
        long long matrix = blockIdx.x / tiles / parts, part = blockIdx.x / tiles % parts;
        int columnsPerTile = packsPerTile * N, threadRows = blockDim.x / packsPerTile;
        long long firstColumn = (long long)(blockIdx.x % tiles) * columnsPerTile;
        int threadRow = threadIdx.x / packsPerTile, offset = threadIdx.x % packsPerTile * N;
        float sum[N] = {};
        if (threadRow < threadRows && firstColumn + offset < inner) {
          long long row = part * rowsPerPart + threadRow, lastRow = min((part + 1) * rowsPerPart, count);
          x += matrix * count * inner + firstColumn + offset;
          for (; row + 3 * threadRows < lastRow; row += 4 * threadRows) {
            #pragma unroll
            for (int k = 0; k < 4; k++) addRow(sum, x + (row + k * threadRows) * inner);
          }
          for (; row < lastRow; row += threadRows) addRow(sum, x + row * inner);
        }
        for (int i = 0; i < N; i++) tile[threadIdx.x * N + i] = sum[i];
        __syncthreads();
        for (int column = threadIdx.x; column < columnsPerTile; column += blockDim.x) {
          if (firstColumn + column >= inner) continue;
          float total = 0.0f;
          for (int row = 0; row < threadRows; row++) total += tile[row * columnsPerTile + column];
          write(sums + (matrix * parts + part) * inner + firstColumn + column, total * scale, accumulate);
        }
      }

      extern "C" __global__ void sumRangesWide(
          const T* x, float* partialSums, long long count, long long inner, int packsPerTile, int tiles, int parts,
          long long rowsPerPart) {
        sumTile<vectorWidth<T>>(x, partialSums, count, inner, packsPerTile, tiles, parts, rowsPerPart, 1.0f, 0);
      }

      extern "C" __global__ void sumRangesNarrow(
          const T* x, float* partialSums, long long count, long long inner, int packsPerTile, int tiles, int parts,
          long long rowsPerPart) {
        sumTile<1>(x, partialSums, count, inner, packsPerTile, tiles, parts, rowsPerPart, 1.0f, 0);
      }

      extern "C" __global__ void sumColumnsWide(
          const T* x, OUT* out, long long count, long long inner, int packsPerTile, int tiles, float scale,
          int accumulate) {
        sumTile<vectorWidth<T>>(x, out, count, inner, packsPerTile, tiles, 1, count, scale, accumulate);
      }

      extern "C" __global__ void sumColumnsNarrow(
          const T* x, OUT* out, long long count, long long inner, int packsPerTile, int tiles, float scale,
          int accumulate) {
        sumTile<1>(x, out, count, inner, packsPerTile, tiles, 1, count, scale, accumulate);
      }
      """#,
    variants: summed.map { [KernelMacro("T", $0), KernelMacro("OUT", $1)] })

  /// The derivative of the mean squared error, for every type that computes.
  static let squaredErrorBackward = KernelSource(
    name: "squaredErrorBackward",
    text: #"""
      // Blocks along y take rows in turn, blocks along x the columns of a row.
      template <int N> __device__ __forceinline__ void differentiate(
          const T* a, const T* b, const float* gradient, T* da, long long rows, long long columns, int accumulate) {
        long long column = ((long long)blockIdx.x * blockDim.x + threadIdx.x) * N;
        if (column >= columns) return;
        for (long long row = blockIdx.y; row < rows; row += gridDim.y) {
          float factor = 2.0f * gradient[row] / (float)columns;
          long long start = row * columns + column, end = (row + 1) * columns;
          float packA[N], packB[N];
          loadPack(packA, a, start, end);
          loadPack(packB, b, start, end);
          for (int i = 0; i < N; i++) packA[i] = (packA[i] - packB[i]) * factor;
          storePack(da, packA, start, end, accumulate);
        }
      }

      extern "C" __global__ void squaredErrorBackwardWide(
          const T* a, const T* b, const float* gradient, T* da, long long rows, long long columns, int accumulate) {
        differentiate<vectorWidth<T>>(a, b, gradient, da, rows, columns, accumulate);
      }

      extern "C" __global__ void squaredErrorBackwardNarrow(
          const T* a, const T* b, const float* gradient, T* da, long long rows, long long columns, int accumulate) {
        differentiate<1>(a, b, gradient, da, rows, columns, accumulate);
      }
      """#,
    variants: DType.floatingPoint.map { [KernelMacro("T", $0)] })

  /// The types of terms and of their sums: the same, or Float32 on one side.
  private static let summed: [(DType, DType)] =
    DType.floatingPoint.map { ($0, $0) }
    + [DType.float16, .bfloat16].flatMap { [($0, .float32), (.float32, $0)] }
}

/// What is summed along rows, as an expression of the elements `a` and `b` of two tensors in CUDA C++.
enum RowTerm: String {
  case element = "a"
  case square = "a * a"
  case squaredDifference = "(a - b) * (a - b)"
}
