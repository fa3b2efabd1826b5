extension KernelSource {
  /// Layer normalisation and its derivatives. `T` is the type of everything but statistics and sums; threads read
  /// `WIDTH` channels at once.
  static let layerNorm = KernelSource(
    name: "layer norm",
    text: #"""
      // A warp takes a row at a time, lanes vectors of WIDTH channels. It goes through the row several times; all but
      // the first reads come from the L1 cache.
      typedef Vector<T, WIDTH> Channels;

      __device__ __forceinline__ int lane() { return threadIdx.x & 31; }
      __device__ __forceinline__ int warp() { return threadIdx.x >> 5; }
      __device__ __forceinline__ int warps() { return blockDim.x >> 5; }

      // The sum of `term(x)` over a row of `columns` vectors, in every lane.
      template <typename Term>
      __device__ __forceinline__ float rowSum(const Channels* __restrict__ row, int columns, Term term) {
        float sum = 0.0f;
        #pragma unroll 4
        for (int column = lane(); column < columns; column += 32) {
          Channels vector = row[column];
          float part = 0.0f;
          for (int j = 0; j < WIDTH; j++) part += term(widen(vector.at[j]));
          sum += part;
        }
        return warpSum(sum);
      }

      extern "C" __global__ void __launch_bounds__(256) layerNorm(
          const T* __restrict__ x, const T* __restrict__ gamma, const T* __restrict__ beta, T* __restrict__ out,
          float2* __restrict__ statistics, int rows, int channels, float epsilon) {
        int row = blockIdx.x * warps() + warp(), columns = channels / WIDTH;
        if (row >= rows) return;
        const Channels* from = (const Channels*)(x + (long long)row * channels);
        float mean = rowSum(from, columns, [](float x) { return x; }) / channels;
        float deviations = rowSum(from, columns, [&](float x) { return (x - mean) * (x - mean); });
        float scale = 1.0f / sqrtf(deviations / channels + epsilon);
        if (lane() == 0) statistics[row] = float2{mean, scale};
        Channels* to = (Channels*)(out + (long long)row * channels);
        #pragma unroll 2
        for (int column = lane(); column < columns; column += 32) {
          Channels values = from[column], scales = ((const Channels*)gamma)[column];
          Channels shifts = ((const Channels*)beta)[column], result;
          for (int j = 0; j < WIDTH; j++)
            result.at[j] = narrow<T>(
                (widen(values.at[j]) - mean) * scale * widen(scales.at[j]) + widen(shifts.at[j]));
          to[column] = result;
        }
      }

      // dx of one row, by a warp: with x̂ the normalised input and g the gradient it is
      // (γ g - mean(γ g) - x̂ mean(γ g x̂)) / σ.
      __device__ __forceinline__ void differentiateRow(
          const Channels* __restrict__ x, const Channels* __restrict__ gradient, const Channels* __restrict__ gamma,
          float2 statistics, Channels* __restrict__ dx, int accumulate, int columns) {
        float mean = statistics.x, scale = statistics.y, sum = 0.0f, projection = 0.0f;
        #pragma unroll 2
        for (int column = lane(); column < columns; column += 32) {
          Channels inputs = x[column], gradients = gradient[column], scales = gamma[column];
          float partSum = 0.0f, partProjection = 0.0f;
          for (int j = 0; j < WIDTH; j++) {
            float weighted = widen(scales.at[j]) * widen(gradients.at[j]);
            partSum += weighted;
            partProjection += weighted * ((widen(inputs.at[j]) - mean) * scale);
          }
          sum += partSum;
          projection += partProjection;
        }
        float elements = columns * WIDTH;
        sum = warpSum(sum) / elements;
        projection = warpSum(projection) / elements;
        #pragma unroll 2
        for (int column = lane(); column < columns; column += 32) {
          Channels inputs = x[column], gradients = gradient[column], scales = gamma[column], result;
          if (accumulate) result = dx[column];
          for (int j = 0; j < WIDTH; j++) {
            float normalized = (widen(inputs.at[j]) - mean) * scale;
            float weighted = widen(scales.at[j]) * widen(gradients.at[j]);
            write(&result.at[j], scale * ((weighted - sum) - normalized * projection), accumulate);
          }
          dx[column] = result;
        }
      }

      // The sums of g (x) and g x̂ (y) of every channel over the rows of this block. Neighbouring threads take
      // neighbouring vectors of channels, and as many rows as there are threads for are added at a time.
      __device__ __forceinline__ void sumChannels(
          const T* __restrict__ x, const T* __restrict__ gradient, const float2* __restrict__ statistics,
          float2* __restrict__ partial, int firstRow, int endRow, int channels) {
        __shared__ float2 sums[WIDTH][512];
        int allColumns = channels / WIDTH;
        int columns = min(allColumns, (int)blockDim.x), lanes = blockDim.x / columns;
        int lane = threadIdx.x / columns;
        for (int firstColumn = 0; firstColumn < allColumns; firstColumn += columns) {
          int column = firstColumn + threadIdx.x - lane * columns;
          float2 sum[WIDTH];
          for (int j = 0; j < WIDTH; j++) sum[j] = float2{0.0f, 0.0f};
          if (column < allColumns && lane < lanes) {
            #pragma unroll 4
            for (int row = firstRow + lane; row < endRow; row += lanes) {
              long long offset = (long long)row * allColumns + column;
              Channels inputs = ((const Channels*)x)[offset], gradients = ((const Channels*)gradient)[offset];
              float2 moments = statistics[row];
              for (int j = 0; j < WIDTH; j++) {
                float g = widen(gradients.at[j]);
                sum[j].x += g;
                sum[j].y += g * ((widen(inputs.at[j]) - moments.x) * moments.y);
              }
            }
          }
          for (int j = 0; j < WIDTH; j++) sums[j][threadIdx.x] = sum[j];
          __syncthreads();
          for (int item = threadIdx.x; item < WIDTH * columns; item += blockDim.x) {
            int j = item / columns, place = item - j * columns;
            if (firstColumn + place >= allColumns) continue;
            float2 total = sums[j][place];
            for (int other = 1; other < lanes; other++) {
              total.x += sums[j][other * columns + place].x;
              total.y += sums[j][other * columns + place].y;
            }
            partial[(firstColumn + place) * WIDTH + j] = total;
          }
          __syncthreads();
        }
      }

      // dx, and the sums over each block's rows that the derivatives by gamma and beta are made of, [blocks, channels].
      // Either may be null. The second reads come from the L1 cache.
      extern "C" __global__ void __launch_bounds__(512) layerNormBackward(
          const T* __restrict__ x, const T* __restrict__ gradient, const T* __restrict__ gamma,
          const float2* __restrict__ statistics, T* __restrict__ dx, int accumulate, float2* __restrict__ partial,
          int rows, int channels, int rowsPerBlock) {
        int firstRow = blockIdx.x * rowsPerBlock, endRow = min(firstRow + rowsPerBlock, rows);
        for (int row = firstRow + warp(); dx && row < endRow; row += warps()) {
          long long offset = (long long)row * channels;
          differentiateRow(
              (const Channels*)(x + offset), (const Channels*)(gradient + offset), (const Channels*)gamma,
              statistics[row], (Channels*)(dx + offset), accumulate, channels / WIDTH);
        }
        if (partial)
          sumChannels(
              x, gradient, statistics, partial + (long long)blockIdx.x * channels, firstRow, endRow, channels);
      }
      """#,
    variants: rowVectors)

  /// Every floating-point type with the elements of a row that a thread may read at once: 16 bytes, or one.
  static let rowVectors: [[KernelMacro]] = DType.floatingPoint.flatMap { dtype in
    [16 / dtype.byteCount, 1].map { [KernelMacro("T", dtype), KernelMacro("WIDTH", String($0))] }
  }
}
