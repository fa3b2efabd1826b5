extension KernelSource {
  /// What lies between the matrix products of an attention whose scores are written out.
  ///
  /// Scores are Float32, [heads, chunk of queries, keys] of one sample; a block of threads takes one row. Weights and
  /// their derivatives have the type T of the operands, which the next product wants; where that is float, they may
  /// take the place of the scores.
  static let attentionSoftmax = KernelSource(
    name: "attentionSoftmax",
    text: #"""
      constexpr int width = 4;

      // The row of a block: which query it belongs to, how many keys the query sees, and where it starts.
      struct Row {
        int head, query, visible;
        long long start;
        __device__ Row(int chunk, int first, int keys, int rowStride, int causal) {
          head = blockIdx.x / chunk;
          query = first + blockIdx.x % chunk;
          visible = causal ? min(query + 1, keys) : keys;
          start = (long long)blockIdx.x * rowStride;
        }
      };

      // The largest number of a block, in every thread.
      __device__ __forceinline__ float blockMaximum(float x) {
        __shared__ float partial[32];
        int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
        x = warpMaximum(x);
        if (lane == 0) partial[warp] = x;
        __syncthreads();
        return warpMaximum(lane < (int)(blockDim.x >> 5) ? partial[lane] : partial[0]);
      }

      // softmax of every row, and the logarithm of its sum of exponentials at [head, query].
      extern "C" __global__ void softmaxRows(
          const float* scores, T* weights, float* logSumExp, int chunk, int first, int queries, int keys,
          int rowStride, int causal) {
        Row row(chunk, first, keys, rowStride, causal);
        int step = width * blockDim.x;
        float x[width];

        float largest = -__int_as_float(0x7f800000);
        for (int j = width * threadIdx.x; j < row.visible; j += step) {
          loadPack(x, scores + row.start, j, rowStride);
          for (int i = 0; i < width; i++)
            if (j + i < row.visible) largest = fmaxf(largest, x[i]);
        }
        largest = blockMaximum(largest);

        float sum = 0.0f;
        for (int j = width * threadIdx.x; j < row.visible; j += step) {
          loadPack(x, scores + row.start, j, rowStride);
          for (int i = 0; i < width; i++)
            if (j + i < row.visible) sum += expf(x[i] - largest);
        }
        sum = blockSum(sum);

        for (int j = width * threadIdx.x; j < keys; j += step) {
          loadPack(x, scores + row.start, j, rowStride);
          for (int i = 0; i < width; i++) x[i] = j + i < row.visible ? expf(x[i] - largest) / sum : 0.0f;
          storePack(weights + row.start, x, j, rowStride, 0);
        }
        if (threadIdx.x == 0) logSumExp[(long long)row.head * queries + row.query] = largest + logf(sum);
      }

      // The softmax again, from the scores and the logarithm of the sum, and the derivatives by the scores before
      // they were scaled, from the derivatives by the weights. Either output may be null.
      extern "C" __global__ void softmaxRowsBackward(
          const float* scores, const float* dweights, const float* logSumExp, const float* projections, T* weights,
          T* dscores, int chunk, int first, int queries, int keys, int rowStride, int causal, float scale) {
        Row row(chunk, first, keys, rowStride, causal);
        float logSum = logSumExp[(long long)row.head * queries + row.query];
        float projection = dscores ? projections[(long long)row.head * queries + row.query] : 0.0f;
        float weight[width], dscore[width];
        for (int j = width * threadIdx.x; j < keys; j += width * blockDim.x) {
          loadPack(weight, scores + row.start, j, rowStride);
          for (int i = 0; i < width; i++) weight[i] = j + i < row.visible ? expf(weight[i] - logSum) : 0.0f;
          if (dscores) {
            loadPack(dscore, dweights + row.start, j, rowStride);
            for (int i = 0; i < width; i++)
              dscore[i] = j + i < row.visible ? scale * (weight[i] * (dscore[i] - projection)) : 0.0f;
            storePack(dscores + row.start, dscore, j, rowStride, 0);
          }
          if (weights) storePack(weights + row.start, weight, j, rowStride, 0);
        }
      }

      // The sum of gradient times output of every query and head, at [sample, head, query]; a warp takes one.
      extern "C" __global__ void projectGradient(
          const T* out, const T* gradient, float* projections, long long rows, int queries, int heads, int headSize) {
        long long row = (long long)blockIdx.x * (blockDim.x >> 5) + (threadIdx.x >> 5);
        if (row >= rows) return;
        float sum = 0.0f;
        for (int i = threadIdx.x & 31; i < headSize; i += 32)
          sum += widen(gradient[row * headSize + i]) * widen(out[row * headSize + i]);
        sum = warpSum(sum);
        long long token = row / heads, sample = token / queries;
        if ((threadIdx.x & 31) == 0)
          projections[(sample * heads + row % heads) * queries + token % queries] = sum;
      }
      """#,
    variants: DType.allCases.filter(\.isFloatingPoint).map { [KernelMacro("T", $0)] })
}
