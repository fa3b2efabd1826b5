extension KernelSource {
  /// The gradient of flash attention by the queries.
  ///
  /// With the weights P = 2^(score · log₂e - logSumExp · log₂e), G the gradient and δ the row sums of G ∘ out:
  /// dS = P ∘ (G Vᵀ - δ) and dQ = scale · dS K (T. Dao, FlashAttention-2, 2023). The gradients by keys and values are a
  /// kernel of their own that computes P and dS anew: for that no sum crosses blocks, and every run adds in one order.
  static let flashAttentionQueryGradient = KernelSource(
    name: "flashAttentionQueryGradient",
    text: FlashAttentionTiles.code(
      #"""
      // The queries of this lane: log2 of the sum of exponentials, and what their weights' gradients start from, -δ.
      struct QueryStatistics {
        float logTotal[ROW_TILES][2], start[ROW_TILES][2];
      };

      // sums += dS · keys for a tile of keys. HIDES: not every query sees every one of them.
      template <bool HIDES>
      __device__ __forceinline__ void addTile(
          Sums& sums, const T* keyTile, const T* valueTile, const Rows (&queries)[ROW_TILES],
          const Rows (&gradients)[ROW_TILES], const QueryStatistics& statistics, float factor, int firstQuery,
          int firstKey, int keys, int causal) {
      #pragma unroll UNROLLED_STEPS
        for (int s = 0; s < TOKENS / 16; s++) {
          float scores[ROW_TILES][2][4] = {}, changes[ROW_TILES][2][4];
          forEachRow([&](int row, int r, int h) {
            for (int i = 0; i < 4; i++) changes[r][i / 2][2 * h + i % 2] = statistics.start[r][h];
          });
          multiplyByTokens(scores, queries, keyTile + s * 16 * pitch);
          multiplyByTokens(changes, gradients, valueTile + s * 16 * pitch);
          forEachRow([&](int row, int r, int h) {
            int end = causal ? min(firstQuery + row + 1, keys) : keys;
      #pragma unroll
            for (int i = 0; i < 4; i++) {
              float weight = powerOfTwo(fmaf(scores[r][i / 2][2 * h + i % 2], factor, -statistics.logTotal[r][h]));
              if (HIDES && firstKey + s * 16 + tokenOf(i) >= end) weight = 0;
              changes[r][i / 2][2 * h + i % 2] *= weight;
            }
          });
          unsigned packed[ROW_TILES][4];
      #pragma unroll
          for (int r = 0; r < ROW_TILES; r++) packProducts(packed[r], changes[r]);
          addWeightedTokens(sums, packed, keyTile + s * 16 * pitch);
        }
      }

      // A block computes the gradients of `blockRows` queries of one head. `logTotals` and `starts` are what
      // `rowStatistics` wrote, `statisticsStride` numbers for each head.
      extern "C" __global__ void __launch_bounds__(threadCount, RESIDENT_BLOCKS) attentionQueryGradient(
          const T* q, const T* k, const T* v, const T* gradient, const float* logTotals, const float* starts, T* dq,
          int heads, int queries, int keys, int statisticsStride, float scale, int causal, int accumulate) {
        int firstQuery = blockIdx.x * blockRows;
        Head queryHead(heads, queries), keyHead(heads, keys);
        T* queryTile = sharedTiles;
        T* gradientTile = queryTile + blockRows * pitch;
        T* tiles = gradientTile + blockRows * pitch;

        int end = causal ? min(firstQuery + blockRows, keys) : keys;
        loadTile<blockRows>(queryTile, q, queryHead, firstQuery);
        loadTile<blockRows>(gradientTile, gradient, queryHead, firstQuery);
        loadTile<TOKENS>(tiles, k, keyHead, 0);
        loadTile<TOKENS>(tiles + TOKENS * pitch, v, keyHead, 0);
        commitCopies();
        QueryStatistics statistics;
        forEachRow([&](int row, int r, int h) {
          long long place = headIndex(heads) * statisticsStride + min(firstQuery + row, queries - 1);
          statistics.logTotal[r][h] = logTotals[place];
          statistics.start[r][h] = starts[place];
        });
        waitForCopies<0>();
        __syncthreads();
        Rows queryRows[ROW_TILES], gradientRows[ROW_TILES];
      #pragma unroll
        for (int r = 0; r < ROW_TILES; r++) {
          int first = (threadIdx.x / 32 * ROW_TILES + r) * 16;
          queryRows[r].attach(queryTile + first * pitch);
          gradientRows[r].attach(gradientTile + first * pitch);
        }

        Sums sums = {};
        float factor = scale * log2e;
        for (int first = 0, stage = 0; first < end; first += TOKENS, stage ^= 1) {
          waitForCopies<0>();
          __syncthreads();
          const T* keyTile = tiles + stage * 2 * TOKENS * pitch;
          const T* valueTile = keyTile + TOKENS * pitch;
          if (first + TOKENS < end) {
            T* next = tiles + (stage ^ 1) * 2 * TOKENS * pitch;
            loadTile<TOKENS>(next, k, keyHead, first + TOKENS);
            loadTile<TOKENS>(next + TOKENS * pitch, v, keyHead, first + TOKENS);
            commitCopies();
          }
          if (first + TOKENS > keys || (causal && first + TOKENS > firstQuery))
            addTile<true>(sums, keyTile, valueTile, queryRows, gradientRows, statistics, factor, firstQuery, first, keys,
                          causal);
          else
            addTile<false>(sums, keyTile, valueTile, queryRows, gradientRows, statistics, factor, firstQuery, first,
                           keys, causal);
        }

        forEachRow([&](int row, int r, int h) {
          int query = firstQuery + row;
          if (query < queries) writeRow(dq + queryHead.offset(query), sums, r, h, scale, accumulate);
        });
      }
      """#),
    variants: FlashAttention.variants(FlashAttention.queryGradient))

  /// The gradients of flash attention by the keys and values: dV = Pᵀ G and dK = scale · dSᵀ Q.
  static let flashAttentionKeyGradient = KernelSource(
    name: "flashAttentionKeyGradient",
    text: FlashAttentionTiles.code(
      #"""
      // Starts to copy the statistics of a tile of queries: their `logTotals`, then their `starts`.
      __device__ __forceinline__ void loadStatistics(float* tile, const float* logTotals, const float* starts) {
        int chunk = threadIdx.x;
        if (chunk < TOKENS / 4) copyChunk(tile + chunk * 4, logTotals + chunk * 4, true);
        else if (chunk < TOKENS / 2) copyChunk(tile + chunk * 4, starts + chunk * 4 - TOKENS, true);
      }

      // keys += dSᵀ · queries and values += Pᵀ · gradients for a tile of queries. HIDES: not every one of them sees every
      // key.
      template <bool HIDES>
      __device__ __forceinline__ void addTile(
          Sums& keySums, Sums& valueSums, const T* queryTile, const T* gradientTile, const float* statistics,
          const Rows (&keys)[ROW_TILES], const Rows (&values)[ROW_TILES], float factor, int firstKey, int firstQuery) {
      #pragma unroll UNROLLED_STEPS
        for (int s = 0; s < TOKENS / 16; s++) {
          float weights[ROW_TILES][2][4] = {}, changes[ROW_TILES][2][4], logTotals[2][2];
      #pragma unroll
          for (int j = 0; j < 2; j++) {
            const Vector<float, 2>* pair = (const Vector<float, 2>*)(statistics + s * 16 + tokenOf(2 * j));
            Vector<float, 2> logs = pair[0], starts = pair[TOKENS / 2];
            for (int i = 0; i < 2; i++) {
              logTotals[j][i] = logs.at[i];
              for (int r = 0; r < ROW_TILES; r++) changes[r][j][i] = changes[r][j][2 + i] = starts.at[i];
            }
          }
          multiplyByTokens(weights, keys, queryTile + s * 16 * pitch);
          multiplyByTokens(changes, values, gradientTile + s * 16 * pitch);
          forEachRow([&](int row, int r, int h) {
      #pragma unroll
            for (int i = 0; i < 4; i++) {
              float& weight = weights[r][i / 2][2 * h + i % 2];
              weight = powerOfTwo(fmaf(weight, factor, -logTotals[i / 2][i % 2]));
              if (HIDES && firstKey + row > firstQuery + s * 16 + tokenOf(i)) weight = 0;
              changes[r][i / 2][2 * h + i % 2] *= weight;
            }
          });
          unsigned packed[ROW_TILES][4];
      #pragma unroll
          for (int r = 0; r < ROW_TILES; r++) packProducts(packed[r], weights[r]);
          addWeightedTokens(valueSums, packed, gradientTile + s * 16 * pitch);
      #pragma unroll
          for (int r = 0; r < ROW_TILES; r++) packProducts(packed[r], changes[r]);
          addWeightedTokens(keySums, packed, queryTile + s * 16 * pitch);
        }
      }

      // Writes sums of one of the gradients: to `whole`, or where queries are shared out among blocks, to this block's
      // `part`. Nothing where both are null.
      __device__ __forceinline__ void writeGradient(
          T* whole, float* part, const Sums& sums, const Head& head, int firstKey, float factor, int accumulate) {
        forEachRow([&](int row, int r, int h) {
          int key = firstKey + row;
          if (key >= head.count) return;
          if (whole) writeRow(whole + head.offset(key), sums, r, h, factor, accumulate);
          if (!part) return;
          float* place = part + head.offset(key) + threadIdx.x % 4 * 2;
          for (int c = 0; c < chunkCount; c++)
            *(Vector<float, 2>*)(place + c * 8) = {sums[r][c][2 * h] * factor, sums[r][c][2 * h + 1] * factor};
        });
      }

      // A block computes the gradients of `blockRows` keys and values of one head from one part of the queries,
      // `queriesPerPart` of them. `blockIdx.x` counts the blocks of keys of the first part, then those of the next. Where
      // there are several parts, their sums go to `dkParts` and `dvParts`, [parts, batch, keys, heads, headSize]. Rows
      // are keys and tokens are queries here, so P and dS come transposed.
      extern "C" __global__ void __launch_bounds__(threadCount, RESIDENT_BLOCKS) attentionKeyGradient(
          const T* q, const T* k, const T* v, const T* gradient, const float* logTotals, const float* starts, T* dk, T* dv,
          float* dkParts, float* dvParts, long long partSize, int heads, int queries, int keys, int statisticsStride,
          int queriesPerPart, float scale, int causal, int accumulateKeys, int accumulateValues) {
        int blocks = (keys + blockRows - 1) / blockRows;
        int part = blockIdx.x / blocks, firstKey = blockIdx.x % blocks * blockRows;
        Head queryHead(heads, queries), keyHead(heads, keys);
        T* keyTile = sharedTiles;
        T* valueTile = keyTile + blockRows * pitch;
        T* tiles = valueTile + blockRows * pitch;
        float* statisticsTiles = (float*)(tiles + 4 * TOKENS * pitch);
        logTotals += headIndex(heads) * statisticsStride;
        starts += headIndex(heads) * statisticsStride;

        int begin = part * queriesPerPart, end = min(begin + queriesPerPart, queries);
        if (causal) begin = max(begin, firstKey / TOKENS * TOKENS);
        loadTile<blockRows>(keyTile, k, keyHead, firstKey);
        loadTile<blockRows>(valueTile, v, keyHead, firstKey);
        if (begin < end) {
          loadTile<TOKENS>(tiles, q, queryHead, begin);
          loadTile<TOKENS>(tiles + TOKENS * pitch, gradient, queryHead, begin);
          loadStatistics(statisticsTiles, logTotals + begin, starts + begin);
        }
        commitCopies();
        waitForCopies<0>();
        __syncthreads();
        Rows keyRows[ROW_TILES], valueRows[ROW_TILES];
      #pragma unroll
        for (int r = 0; r < ROW_TILES; r++) {
          int first = (threadIdx.x / 32 * ROW_TILES + r) * 16;
          keyRows[r].attach(keyTile + first * pitch);
          valueRows[r].attach(valueTile + first * pitch);
        }

        Sums keySums = {}, valueSums = {};
        float factor = scale * log2e;
        for (int first = begin, stage = 0; first < end; first += TOKENS, stage ^= 1) {
          waitForCopies<0>();
          __syncthreads();
          const T* queryTile = tiles + stage * 2 * TOKENS * pitch;
          const T* gradientTile = queryTile + TOKENS * pitch;
          const float* statistics = statisticsTiles + stage * 2 * TOKENS;
          if (first + TOKENS < end) {
            T* next = tiles + (stage ^ 1) * 2 * TOKENS * pitch;
            loadTile<TOKENS>(next, q, queryHead, first + TOKENS);
            loadTile<TOKENS>(next + TOKENS * pitch, gradient, queryHead, first + TOKENS);
            loadStatistics(
                statisticsTiles + (stage ^ 1) * 2 * TOKENS, logTotals + first + TOKENS, starts + first + TOKENS);
            commitCopies();
          }
          if (causal && first < firstKey + blockRows)
            addTile<true>(keySums, valueSums, queryTile, gradientTile, statistics, keyRows, valueRows, factor, firstKey,
                          first);
          else
            addTile<false>(keySums, valueSums, queryTile, gradientTile, statistics, keyRows, valueRows, factor, firstKey,
                           first);
        }

        long long place = part * partSize;
        writeGradient(dk, dkParts ? dkParts + place : nullptr, keySums, keyHead, firstKey, scale, accumulateKeys);
        writeGradient(dv, dvParts ? dvParts + place : nullptr, valueSums, keyHead, firstKey, 1, accumulateValues);
      }
      """#),
    variants: FlashAttention.variants(FlashAttention.keyGradient))

  /// What comes before and after the gradients of flash attention.
  static let flashAttentionRows = KernelSource(
    name: "flashAttentionRows",
    text: #"""
      // The statistics of each query: logSumExp in powers of two, and the opposite of the sum of gradient · out. Four
      // lanes share a query. Queries beyond the last, up to `stride`, get weights of zero. The statistics are [batch,
      // heads, stride].
      extern "C" __global__ void rowStatistics(
          const T* out, const T* gradient, const float* logSumExp, float* logTotals, float* starts,
          long long rows, int heads, int queries, int stride, int headSize) {
        long long row = ((long long)blockIdx.x * blockDim.x + threadIdx.x) / 4;
        if (row >= rows) return;
        // Neighbouring rows are neighbouring heads, as in memory.
        int head = row % heads, query = row / heads % stride;
        long long sample = row / heads / stride;
        float logTotal = __int_as_float(0x7f800000), sum = 0;
        if (query < queries) {
          long long start = ((sample * queries + query) * heads + head) * headSize;
          for (int i = threadIdx.x % 4 * 8; i < headSize; i += 32) {
            Vector<T, 8> a = *(const Vector<T, 8>*)(out + start + i);
            Vector<T, 8> b = *(const Vector<T, 8>*)(gradient + start + i);
            for (int j = 0; j < 8; j++) sum = fmaf(widen(a.at[j]), widen(b.at[j]), sum);
          }
          unsigned lanes = 0xfu << (threadIdx.x % 32 / 4 * 4);
          sum += __shfl_xor_sync(lanes, sum, 1);
          sum += __shfl_xor_sync(lanes, sum, 2);
          logTotal = logSumExp[(sample * heads + head) * queries + query] * 1.4426950408889634f;
        }
        if (threadIdx.x % 4 != 0) return;
        logTotals[(sample * heads + head) * stride + query] = logTotal;
        starts[(sample * heads + head) * stride + query] = -sum;
      }

      // Adds up the parts of a gradient, [parts, count], in order. A thread sums 8 elements.
      extern "C" __global__ void addParts(const float* parts, int partCount, T* out, long long count, int accumulate) {
        long long index = ((long long)blockIdx.x * blockDim.x + threadIdx.x) * 8;
        if (index >= count) return;
        float sum[8] = {};
        for (int part = 0; part < partCount; part++) {
          const Vector<float, 4>* place = (const Vector<float, 4>*)(parts + part * count + index);
          Vector<float, 4> low = place[0], high = place[1];
          for (int i = 0; i < 4; i++) sum[i] += low.at[i], sum[i + 4] += high.at[i];
        }
        Vector<T, 8>* place = (Vector<T, 8>*)(out + index);
        Vector<T, 8> result = {};
        if (accumulate) result = *place;
        for (int i = 0; i < 8; i++) result.at[i] = narrow<T>(accumulate ? widen(result.at[i]) + sum[i] : sum[i]);
        *place = result;
      }
      """#,
    variants: FlashAttention.typeVariants)
}
