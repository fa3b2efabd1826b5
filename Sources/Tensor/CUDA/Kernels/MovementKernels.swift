extension KernelSource {
  /// Strided copies and reorderings of axes, for every type.
  static let movement = KernelSource(
    name: "movement",
    text: #"""
      // A thread moves N neighbours of one block, whose length N divides.
      template <int N>
      __device__ __forceinline__ void copyPacks(
          const T* x, T* out, unsigned packs, unsigned packsPerBlock, long long sourceStride, long long targetStride,
          int accumulate) {
        unsigned pack = blockIdx.x * blockDim.x + threadIdx.x;
        if (pack >= packs) return;
        unsigned block = pack / packsPerBlock;
        long long start = (long long)(pack - block * packsPerBlock) * N;
        movePack<N>(x + block * sourceStride + start, out + block * targetStride + start, accumulate);
      }

      extern "C" __global__ void copyBlocksWide(
          const T* x, T* out, long long sourceOffset, long long targetOffset, unsigned packs, unsigned packsPerBlock,
          long long sourceStride, long long targetStride, int accumulate) {
        copyPacks<vectorWidth<T>>(
            x + sourceOffset, out + targetOffset, packs, packsPerBlock, sourceStride, targetStride, accumulate);
      }

      extern "C" __global__ void copyBlocksNarrow(
          const T* x, T* out, long long sourceOffset, long long targetOffset, unsigned packs, unsigned packsPerBlock,
          long long sourceStride, long long targetStride, int accumulate) {
        copyPacks<1>(
            x + sourceOffset, out + targetOffset, packs, packsPerBlock, sourceStride, targetStride, accumulate);
      }

      // Axes in the order of the output, the last of which is also the last of the input. A thread moves N neighbours.
      template <int N>
      __device__ __forceinline__ void permuteRows(
          const T* x, T* out, Axes extents, Axes strides, unsigned packs, int accumulate) {
        unsigned pack = blockIdx.x * blockDim.x + threadIdx.x;
        if (pack >= packs) return;
        unsigned packsPerRow = (unsigned)extents.at[3] / N;
        unsigned row = pack / packsPerRow, column = (pack - row * packsPerRow) * N;
        unsigned outer = row / (unsigned)extents.at[2], last = row - outer * (unsigned)extents.at[2];
        unsigned first = outer / (unsigned)extents.at[1], middle = outer - first * (unsigned)extents.at[1];
        x += first * strides.at[0] + middle * strides.at[1] + last * strides.at[2] + column;
        movePack<N>(x, out + (long long)pack * N, accumulate);
      }

      extern "C" __global__ void permuteRowsWide(
          const T* x, T* out, Axes extents, Axes strides, unsigned packs, int accumulate) {
        permuteRows<vectorWidth<T>>(x, out, extents, strides, packs, accumulate);
      }

      extern "C" __global__ void permuteRowsNarrow(
          const T* x, T* out, Axes extents, Axes strides, unsigned packs, int accumulate) {
        permuteRows<1>(x, out, extents, strides, packs, accumulate);
      }

      // A block of 256 threads turns a tile of 32 x 32 elements by way of shared memory, so that neighbouring threads
      // read neighbours and write neighbours. Axis 2 is the input's last axis, axis 3 the output's.
      extern "C" __global__ void transposeTiles(
          const T* x, T* out, Axes extents, Axes sourceStrides, Axes targetStrides, int accumulate) {
        __shared__ T tile[32][33];
        long long tiles2 = (extents.at[2] + 31) / 32, tiles3 = (extents.at[3] + 31) / 32;
        long long start3 = blockIdx.x % tiles3 * 32, start2 = blockIdx.x / tiles3 % tiles2 * 32;
        long long plane = blockIdx.x / tiles3 / tiles2;
        long long index0 = plane / extents.at[1], index1 = plane % extents.at[1];
        x += index0 * sourceStrides.at[0] + index1 * sourceStrides.at[1];
        out += index0 * targetStrides.at[0] + index1 * targetStrides.at[1];
        int lane = threadIdx.x % 32;
        for (int row = threadIdx.x / 32; row < 32; row += 8) {
          long long index2 = start2 + lane, index3 = start3 + row;
          if (index2 < extents.at[2] && index3 < extents.at[3])
            tile[row][lane] = x[index2 + index3 * sourceStrides.at[3]];
        }
        __syncthreads();
        for (int row = threadIdx.x / 32; row < 32; row += 8) {
          long long index2 = start2 + row, index3 = start3 + lane;
          if (index2 < extents.at[2] && index3 < extents.at[3])
            movePack<1>(&tile[lane][row], out + index2 * targetStrides.at[2] + index3, accumulate);
        }
      }
      """#,
    variants: DType.allCases.map { [KernelMacro("T", $0)] })

  /// Enlargement of pictures by repeating pixels, for every type.
  static let upsampling = KernelSource(
    name: "upsampling",
    text: #"""
      // A thread writes N neighbouring channels of a pixel, whose number N divides.
      template <int N>
      __device__ __forceinline__ void upsample(
          const T* x, T* out, unsigned packs, unsigned packsPerPixel, int height, int width, int newHeight,
          int newWidth) {
        unsigned pack = blockIdx.x * blockDim.x + threadIdx.x;
        if (pack >= packs) return;
        unsigned pixel = pack / packsPerPixel, packOfPixel = pack - pixel * packsPerPixel;
        unsigned row = pixel / newWidth, column = pixel - row * newWidth;
        unsigned picture = row / newHeight, rowOfPicture = row - picture * newHeight;
        long long source = (long long)picture * height + (long long)rowOfPicture * height / newHeight;
        source = source * width + (long long)column * width / newWidth;
        movePack<N>(x + (source * packsPerPixel + packOfPixel) * N, out + (long long)pack * N, 0);
      }

      extern "C" __global__ void upsampleNearestWide(
          const T* x, T* out, unsigned packs, unsigned packsPerPixel, int height, int width, int newHeight,
          int newWidth) {
        upsample<vectorWidth<T>>(x, out, packs, packsPerPixel, height, width, newHeight, newWidth);
      }

      extern "C" __global__ void upsampleNearestNarrow(
          const T* x, T* out, unsigned packs, unsigned packsPerPixel, int height, int width, int newHeight,
          int newWidth) {
        upsample<1>(x, out, packs, packsPerPixel, height, width, newHeight, newWidth);
      }
      """#,
    variants: DType.allCases.map { [KernelMacro("T", $0)] })

  /// The derivative of the enlargement, for every type that computes.
  static let upsamplingBackward = KernelSource(
    name: "upsamplingBackward",
    text: #"""
      // The first output index that reads input `index` of `count`, or of a later one.
      __device__ __forceinline__ int firstReader(int index, int count, int newCount) {
        return (int)(((long long)index * newCount + count - 1) / count);
      }

      // A thread sums N neighbouring channels over the pixels that read its own, row by row.
      template <int N>
      __device__ __forceinline__ void upsampleBackward(
          const T* gradient, T* dx, unsigned packs, unsigned packsPerPixel, int height, int width, int newHeight,
          int newWidth, int accumulate) {
        unsigned pack = blockIdx.x * blockDim.x + threadIdx.x;
        if (pack >= packs) return;
        unsigned pixel = pack / packsPerPixel, packOfPixel = pack - pixel * packsPerPixel;
        unsigned row = pixel / width, column = pixel - row * width;
        unsigned picture = row / height, rowOfPicture = row - picture * height;
        int lastRow = firstReader(rowOfPicture + 1, height, newHeight);
        int lastColumn = firstReader(column + 1, width, newWidth);
        float sum[N] = {};
        for (int y = firstReader(rowOfPicture, height, newHeight); y < lastRow; y++) {
          for (int x = firstReader(column, width, newWidth); x < lastColumn; x++) {
            long long reader = ((long long)picture * newHeight + y) * newWidth + x;
            long long start = (reader * packsPerPixel + packOfPixel) * N;
            float values[N];
            loadPack(values, gradient, start, start + N);
            for (int i = 0; i < N; i++) sum[i] += values[i];
          }
        }
        long long start = (long long)pack * N;
        storePack(dx, sum, start, start + N, accumulate);
      }

      extern "C" __global__ void upsampleNearestBackwardWide(
          const T* gradient, T* dx, unsigned packs, unsigned packsPerPixel, int height, int width, int newHeight,
          int newWidth, int accumulate) {
        upsampleBackward<vectorWidth<T>>(
            gradient, dx, packs, packsPerPixel, height, width, newHeight, newWidth, accumulate);
      }

      extern "C" __global__ void upsampleNearestBackwardNarrow(
          const T* gradient, T* dx, unsigned packs, unsigned packsPerPixel, int height, int width, int newHeight,
          int newWidth, int accumulate) {
        upsampleBackward<1>(gradient, dx, packs, packsPerPixel, height, width, newHeight, newWidth, accumulate);
      }
      """#,
    variants: DType.floatingPoint.map { [KernelMacro("T", $0)] })
}
