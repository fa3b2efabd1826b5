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

      // A lane's share of the product of two rows.
      __device__ __forceinline__ float dotShare(const T* a, const T* b) {
        float sum = 0;
        for (int chunk = threadIdx.x % 4; chunk < chunkCount; chunk += 4) {
          Vector<T, 8> x = *(const Vector<T, 8>*)(a + chunk * 8), y = *(const Vector<T, 8>*)(b + chunk * 8);
          for (int i = 0; i < 8; i++) sum = fmaf(widen(x.at[i]), widen(y.at[i]), sum);
        }
        return sum;
      }

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

      // A block computes the gradients of `blockRows` queries of one head, where `dq` is not null, and leaves what the
      // gradients of the keys need of each query: `logTotals` and `starts`, [batch, heads, statisticsStride]. Those of
      // queries that do not exist make their weights zero.
      extern "C" __global__ void __launch_bounds__(threadCount, RESIDENT_BLOCKS) attentionQueryGradient(
          const T* q, const T* k, const T* v, const T* out, const float* logSumExp, const T* gradient, float* logTotals,
          float* starts, T* dq, int heads, int queries, int keys, int statisticsStride, float scale, int causal,
          int accumulate) {
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
          int query = firstQuery + row;
          unsigned place = queryHead.offset(query);
          float logTotal = infinity, delta = 0;
          if (query < queries) {
            logTotal = logSumExp[headIndex(heads) * queries + query] * log2e;
            delta = dotShare(out + place, gradient + place);
          }
          statistics.logTotal[r][h] = logTotal;
          statistics.start[r][h] = -rowSum(delta);
          if (threadIdx.x % 4 != 0 || query >= statisticsStride) return;
          logTotals[headIndex(heads) * statisticsStride + query] = logTotal;
          starts[headIndex(heads) * statisticsStride + query] = statistics.start[r][h];
        });
        waitForCopies<0>();
        __syncthreads();
        if (!dq) return;
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

        Head dqHead(heads, queries);
        forEachRow([&](int row, int r, int h) {
          int query = firstQuery + row;
          if (query < queries) writeRow(dq + dqHead.offset(query), sums, r, h, scale, accumulate);
        });
      }
      """#),
    variants: FlashAttention.variants(FlashAttention.queryGradient), minimumCapability: FlashAttention.minimumCapability
  )

  /// The gradients of flash attention by the keys and values: dV = Pᵀ G and dK = scale · dSᵀ Q.
  static let flashAttentionKeyGradient = KernelSource(
    name: "flashAttentionKeyGradient",
    text: FlashAttentionTiles.code(
      #"""
      // Starts to copy the statistics of a tile of queries: their `logTotals`, then their `starts`.
      __device__ __forceinline__ void loadStatistics(float* tile, const float* logTotals, const float* starts) {
        int first = threadIdx.x * 4;
        const float* from = first < TOKENS ? logTotals : starts - TOKENS;
        if (first < 2 * TOKENS) copyChunk(tile + first, from + first, true);
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

        Head outHead(heads, keys);
        long long place = part * partSize;
        writeGradient(dk, dkParts ? dkParts + place : nullptr, keySums, outHead, firstKey, scale, accumulateKeys);
        writeGradient(dv, dvParts ? dvParts + place : nullptr, valueSums, outHead, firstKey, 1, accumulateValues);
      }
      """#),
    variants: FlashAttention.variants(FlashAttention.keyGradient), minimumCapability: FlashAttention.minimumCapability)

  /// The end of the gradients by keys and values where several blocks have summed up parts of them.
  static let flashAttentionParts = KernelSource(
    name: "flashAttentionParts",
    text: #"""
      // Adds up the parts of dK (`blockIdx.y` 0) or dV (1), each [parts, count], in order. Those that are null are left
      // out. A thread sums 4 elements.
      extern "C" __global__ void addParts(
          const float* dkParts, const float* dvParts, T* dk, T* dv, int partCount, long long count, int accumulateKeys,
          int accumulateValues) {
        const float* parts = blockIdx.y ? dvParts : dkParts;
        T* out = blockIdx.y ? dv : dk;
        int accumulate = blockIdx.y ? accumulateValues : accumulateKeys;
        long long index = ((long long)blockIdx.x * blockDim.x + threadIdx.x) * 4;
        if (!parts || index >= count) return;
        float sum[4] = {};
      #pragma unroll 8
        for (int part = 0; part < partCount; part++) {
          Vector<float, 4> x = *(const Vector<float, 4>*)(parts + part * count + index);
          for (int i = 0; i < 4; i++) sum[i] += x.at[i];
        }
        Vector<T, 4>* place = (Vector<T, 4>*)(out + index);
        Vector<T, 4> result = {};
        if (accumulate) result = *place;
        for (int i = 0; i < 4; i++) result.at[i] = narrow<T>(accumulate ? widen(result.at[i]) + sum[i] : sum[i]);
        *place = result;
      }
      """#,
    variants: FlashAttention.typeVariants)
}
