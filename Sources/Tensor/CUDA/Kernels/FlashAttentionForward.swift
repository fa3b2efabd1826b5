extension KernelSource {
  /// The forward pass of flash attention (T. Dao, FlashAttention-2, 2023).
  static let flashAttentionForward = KernelSource(
    name: "flashAttentionForward",
    text: FlashAttentionTiles.code(
      #"""
      // The running softmax of the rows of a lane. Weights are relative to a maximum that lags behind the true one by at
      // most a factor of 2^8 on the weights, so that most steps need no rescaling.
      struct RunningSoftmax {
        float maximum[ROW_TILES][2], total[ROW_TILES][2];

        __device__ __forceinline__ RunningSoftmax() {
          for (int r = 0; r < ROW_TILES; r++)
            for (int h = 0; h < 2; h++) maximum[r][h] = -infinity, total[r][h] = 0;
        }

        // Moves to the largest scores so far if any has grown much. `factor` turns scores into powers of two.
        __device__ __forceinline__ void follow(const Scores& scores, float factor, Sums& sums) {
          float largest[ROW_TILES][2];
          bool grows = false;
      #pragma unroll
          for (int r = 0; r < ROW_TILES; r++)
      #pragma unroll
            for (int h = 0; h < 2; h++) {
              float x = maximum[r][h];
      #pragma unroll
              for (int s = 0; s < TOKENS / 16; s++)
                for (int j = 0; j < 2; j++)
                  x = fmaxf(x, fmaxf(scores[s][r][j][2 * h], scores[s][r][j][2 * h + 1]));
              x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 1));
              x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 2));
              largest[r][h] = x;
              grows |= (x - maximum[r][h]) * factor > 8;
            }
          if (!__any_sync(0xffffffffu, grows)) return;
      #pragma unroll
          for (int r = 0; r < ROW_TILES; r++)
      #pragma unroll
            for (int h = 0; h < 2; h++) {
              float shrink = powerOfTwo((maximum[r][h] - largest[r][h]) * factor);
              maximum[r][h] = largest[r][h];
              total[r][h] *= shrink;
              for (int c = 0; c < chunkCount; c++) sums[r][c][2 * h] *= shrink, sums[r][c][2 * h + 1] *= shrink;
            }
        }

        // Replaces the scores of 16 tokens by their weights and adds those to the totals.
        __device__ __forceinline__ void weigh(float (&scores)[ROW_TILES][2][4], float factor) {
      #pragma unroll
          for (int r = 0; r < ROW_TILES; r++)
      #pragma unroll
            for (int h = 0; h < 2; h++) {
              float origin = maximum[r][h] * factor;
      #pragma unroll
              for (int i = 0; i < 4; i++) {
                float& score = scores[r][i / 2][2 * h + i % 2];
                score = powerOfTwo(fmaf(score, factor, -origin));
                total[r][h] += score;
              }
            }
        }
      };

      __device__ __forceinline__ void clear(float (&scores)[ROW_TILES][2][4]) {
      #pragma unroll
        for (int r = 0; r < ROW_TILES; r++)
          for (int i = 0; i < 8; i++) scores[r][i / 4][i % 4] = 0;
      }

      // Scores that the rows must not see become -infinity: of keys that do not exist, or that come after the query.
      __device__ __forceinline__ void hideTokens(Scores& scores, int firstQuery, int firstKey, int keys, int causal) {
        forEachRow([&](int row, int r, int h) {
          int end = causal ? min(firstQuery + row + 1, keys) : keys;
      #pragma unroll
          for (int s = 0; s < TOKENS / 16; s++)
      #pragma unroll
            for (int i = 0; i < 4; i++)
              if (firstKey + s * 16 + tokenOf(i) >= end)
                scores[s][r][i / 2][2 * h + i % 2] = -infinity;
        });
      }

      // A block computes `blockRows` queries of one head. q and out are [batch, queries, heads, headSize], k and v
      // [batch, keys, heads, headSize], logSumExp is [batch, heads, queries]. `scale` is positive where `signs` is 0,
      // else it is the opposite of the scale and `signs` turns the signs of a pair of elements.
      extern "C" __global__ void __launch_bounds__(threadCount, RESIDENT_BLOCKS) attentionForward(
          const T* q, const T* k, const T* v, T* out, float* logSumExp, int heads, int queries, int keys, float scale,
          unsigned signs, int causal) {
        int firstQuery = blockIdx.x * blockRows;
        Head queryHead(heads, queries), keyHead(heads, keys);
        T* queryTile = sharedTiles;
        T* keyTiles = queryTile + blockRows * pitch;
        T* valueTiles = keyTiles + 2 * TOKENS * pitch;

        int end = causal ? min(firstQuery + blockRows, keys) : keys;
        loadTile<blockRows>(queryTile, q, queryHead, firstQuery);
        loadTile<TOKENS>(keyTiles, k, keyHead, 0);
        commitCopies();
        loadTile<TOKENS>(keyTiles + TOKENS * pitch, k, keyHead, TOKENS);
        loadTile<TOKENS>(valueTiles, v, keyHead, 0);
        commitCopies();
        waitForCopies<1>();
        __syncthreads();
        KeptRows rows[ROW_TILES];
      #pragma unroll
        for (int r = 0; r < ROW_TILES; r++)
          rows[r].attach(queryTile + (threadIdx.x / 32 * ROW_TILES + r) * 16 * pitch, signs);

        Sums sums = {};
        RunningSoftmax softmax;
        float factor = scale * log2e;
        // Weighs the scores of a tile while those of the next are computed: the tensor cores and the rest of a
        // multiprocessor then work at the same time.
        auto advance = [&](Scores& scores, Scores& next, int first, int stage) {
          waitForCopies<0>();
          __syncthreads();
          if (first + TOKENS < end) {
            loadTile<TOKENS>(keyTiles + stage * TOKENS * pitch, k, keyHead, first + 2 * TOKENS);
            loadTile<TOKENS>(valueTiles + (stage ^ 1) * TOKENS * pitch, v, keyHead, first + TOKENS);
            commitCopies();
          }
          if (first + TOKENS > keys || (causal && first + TOKENS > firstQuery))
            hideTokens(scores, firstQuery, first, keys, causal);
          softmax.follow(scores, factor, sums);
          const T* keyTile = keyTiles + (stage ^ 1) * TOKENS * pitch;
          const T* valueTile = valueTiles + stage * TOKENS * pitch;
      #pragma unroll
          for (int s = 0; s < TOKENS / 16; s++) {
            clear(next[s]);
            multiplyByTokens(next[s], rows, keyTile + s * 16 * pitch);
            softmax.weigh(scores[s], factor);
            unsigned weights[ROW_TILES][4];
      #pragma unroll
            for (int r = 0; r < ROW_TILES; r++) packProducts(weights[r], scores[s][r]);
            addWeightedTokens(sums, weights, valueTile + s * 16 * pitch);
          }
        };
        Scores even = {}, odd;
      #pragma unroll
        for (int s = 0; s < TOKENS / 16; s++) multiplyByTokens(even[s], rows, keyTiles + s * 16 * pitch);
        for (int first = 0; first < end; first += 2 * TOKENS) {
          advance(even, odd, first, 0);
          if (first + TOKENS >= end) break;
          advance(odd, even, first + TOKENS, 1);
        }

        Head outHead(heads, queries);
        forEachRow([&](int row, int r, int h) {
          float total = rowSum(softmax.total[r][h]);
          int query = firstQuery + row;
          if (query >= queries) return;
          writeRow(out + outHead.offset(query), sums, r, h, __fdividef(1, total), 0);
          if (threadIdx.x % 4 == 0)
            logSumExp[headIndex(heads) * queries + query] = softmax.maximum[r][h] * scale + logf(total);
        });
      }
      """#),
    variants: FlashAttention.variants(FlashAttention.forward), minimumCapability: FlashAttention.minimumCapability)
}
