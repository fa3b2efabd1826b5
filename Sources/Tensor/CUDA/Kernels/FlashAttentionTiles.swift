/// What the kernels of flash attention share: tiles of tokens in shared memory, and products with them.
///
/// A warp owns 16 · `ROW_TILES` rows (queries or keys) of one head and goes through the other side's tokens, `TOKENS` at
/// a time, which the `WARPS` warps of a block share. Head sizes are any multiple of 8: where `HEAD_SIZE` is odd times 8,
/// the last product over the head is half as long, and nothing is padded.
enum FlashAttentionTiles {
  /// The text of a family: what it shares with the others, then its own code.
  static func code(_ kernels: String) -> String { [TensorCores.text, text, kernels].joined(separator: "\n") }

  /// The code, after `TensorCores.text`.
  static let text = #"""
    constexpr int threadCount = WARPS * 32;
    // Rows that a block owns.
    constexpr int blockRows = WARPS * ROW_TILES * 16;
    // A row of a tile in chunks of 16 bytes, and the elements from one row to the next: an odd number of chunks, so that
    // eight neighbouring rows lie in different banks.
    constexpr int chunkCount = HEAD_SIZE / 8;
    constexpr int pitch = (chunkCount | 1) * 8;
    // Products over the head: of 16 positions each, and perhaps one of 8.
    constexpr int fullSteps = HEAD_SIZE / 16;
    constexpr bool hasHalfStep = HEAD_SIZE % 16 != 0;

    constexpr float log2e = 1.4426950408889634f;
    #define infinity __int_as_float(0x7f800000)

    // The products of a warp's rows with TOKENS tokens.
    typedef float Scores[TOKENS / 16][ROW_TILES][2][4];

    extern __shared__ __align__(16) T sharedTiles[];

    // The tokens of the head that a block works on, `blockIdx.y` of sample `blockIdx.z`: [tokens, heads, headSize], seen
    // from its first element. Tensors have fewer than 2^32 elements.
    struct Head {
      unsigned start, stride;
      int count;

      __device__ Head(int heads, int tokens) : stride(heads * HEAD_SIZE), count(tokens) {
        // Volatile, so that a head made anew after a loop holds no registers through it.
        unsigned sample;
        asm volatile("mov.u32 %0, %%ctaid.z;" : "=r"(sample));
        start = (sample * tokens * heads + blockIdx.y) * HEAD_SIZE;
      }
      __device__ unsigned offset(int token) const { return start + token * stride; }
    };

    // The head that a block works on, counted through all samples.
    __device__ __forceinline__ long long headIndex(int heads) { return (long long)blockIdx.z * heads + blockIdx.y; }

    // Starts to copy ROWS tokens, from token `first` on, into a tile; tokens that do not exist become zeros. As many rows
    // as the threads have chunks for go at a time, so that a thread's places are a constant apart.
    template <int ROWS>
    __device__ __forceinline__ void loadTile(T* tile, const T* tensor, const Head& head, int first) {
      constexpr int rowsAtOnce = threadCount / chunkCount;
      int row = threadIdx.x / chunkCount, chunk = threadIdx.x % chunkCount;
      if (row >= rowsAtOnce) return;
      T* to = tile + row * pitch + chunk * 8;
      const T* from = tensor + head.offset(first + row) + chunk * 8;
    #pragma unroll
      for (int skipped = 0; skipped < ROWS; skipped += rowsAtOnce)
        if (skipped + rowsAtOnce <= ROWS || row + skipped < ROWS)
          copyChunk(to + skipped * pitch, from + skipped * head.stride, first + row + skipped < head.count);
    }

    // Which row of a 16 x 16 tile of shared memory a lane names to the loads: those of rows, where the matrices come as
    // upper left, lower left, upper right, lower right, and those of tokens, where the two middle ones change places:
    // the two that make a right operand must be neighbours.
    __device__ __forceinline__ int rowsOffset() {
      int lane = threadIdx.x % 32;
      return lane % 16 * pitch + lane / 16 * 8;
    }
    __device__ __forceinline__ int tokensOffset() {
      int lane = threadIdx.x % 32;
      return (lane % 8 + lane / 16 * 8) * pitch + lane / 8 % 2 * 8;
    }

    // Sixteen rows of a tile as the left operand of products over the head, kept in registers.
    struct KeptRows {
      unsigned full[fullSteps > 0 ? fullSteps : 1][4], last[2];

      // `signs` is xored with every pair of elements.
      __device__ __forceinline__ void attach(const T* tile, unsigned signs = 0) {
        const T* share = tile + rowsOffset();
    #pragma unroll
        for (int step = 0; step < fullSteps; step++) {
          loadMatrices(full[step], share + step * 16);
          for (int i = 0; i < 4; i++) full[step][i] ^= signs;
        }
        if constexpr (hasHalfStep) {
          loadMatrices(last, share + fullSteps * 16);
          for (int i = 0; i < 2; i++) last[i] ^= signs;
        }
      }
      __device__ __forceinline__ void get(int step, unsigned (&a)[4]) const {
        for (int i = 0; i < 4; i++) a[i] = full[step][i];
      }
      __device__ __forceinline__ void getLast(unsigned (&a)[2]) const { a[0] = last[0], a[1] = last[1]; }
    };

    // The same, loaded from shared memory whenever they are needed, where registers are short.
    struct ReloadedRows {
      const T* share;

      __device__ __forceinline__ void attach(const T* tile) { share = tile + rowsOffset(); }
      __device__ __forceinline__ void get(int step, unsigned (&a)[4]) const { loadMatrices(a, share + step * 16); }
      __device__ __forceinline__ void getLast(unsigned (&a)[2]) const { loadMatrices(a, share + fullSteps * 16); }
    };

    #if KEEPS_ROWS
    typedef KeptRows Rows;
    #else
    typedef ReloadedRows Rows;
    #endif

    // products += rows · tokensᵀ for 16 tokens of a tile.
    template <typename Rows>
    __device__ __forceinline__ void multiplyByTokens(
        float (&products)[ROW_TILES][2][4], const Rows (&rows)[ROW_TILES], const T* tokens) {
      const T* share = tokens + tokensOffset();
    #pragma unroll
      for (int step = 0; step < fullSteps; step++) {
        unsigned b[4];
        loadMatrices(b, share + step * 16);
    #pragma unroll
        for (int r = 0; r < ROW_TILES; r++) {
          unsigned a[4];
          rows[r].get(step, a);
          multiply(products[r][0], a, b[0], b[1]);
          multiply(products[r][1], a, b[2], b[3]);
        }
      }
      if constexpr (hasHalfStep) {
        unsigned b[2];
        loadMatrices(b, tokens + rowsOffset() + fullSteps * 16);
    #pragma unroll
        for (int r = 0; r < ROW_TILES; r++) {
          unsigned a[2];
          rows[r].getLast(a);
          multiply(products[r][0], a, b[0]);
          multiply(products[r][1], a, b[1]);
        }
      }
    }

    // Rows of the head size that a warp sums up: 16 rows by 8 columns to a tile.
    typedef float Sums[ROW_TILES][chunkCount][4];

    // sums += weights · tokens for 16 tokens of a tile.
    __device__ __forceinline__ void addWeightedTokens(
        Sums& sums, const unsigned (&weights)[ROW_TILES][4], const T* tokens) {
      const T* share = tokens + rowsOffset();
    #pragma unroll
      for (int c = 0; c + 1 < chunkCount; c += 2) {
        unsigned b[4];
        loadTransposed(b, share + c * 8);
    #pragma unroll
        for (int r = 0; r < ROW_TILES; r++) {
          multiply(sums[r][c], weights[r], b[0], b[1]);
          multiply(sums[r][c + 1], weights[r], b[2], b[3]);
        }
      }
      if constexpr (chunkCount % 2 != 0) {
        unsigned b[2];
        loadTransposed(b, share + (chunkCount - 1) * 8);
    #pragma unroll
        for (int r = 0; r < ROW_TILES; r++) multiply(sums[r][chunkCount - 1], weights[r], b[0], b[1]);
      }
    }

    // Rounds the products of 16 tokens to the left operand of the next product.
    __device__ __forceinline__ void packProducts(unsigned (&packed)[4], const float (&products)[2][4]) {
      packed[0] = pack<T>(products[0][0], products[0][1]);
      packed[1] = pack<T>(products[0][2], products[0][3]);
      packed[2] = pack<T>(products[1][0], products[1][1]);
      packed[3] = pack<T>(products[1][2], products[1][3]);
    }

    // Writes two neighbouring elements as a destination asks for.
    __device__ __forceinline__ void writePair(T* place, float first, float second, int accumulate) {
      if (accumulate) {
        Vector<T, 2> old = *(const Vector<T, 2>*)place;
        first += widen(old.at[0]);
        second += widen(old.at[1]);
      }
      *(unsigned*)place = pack<T>(first, second);
    }

    // The token of 16 that a lane's product `i` of a row (0 to 3) belongs to.
    __device__ __forceinline__ int tokenOf(int i) { return i / 2 * 8 + threadIdx.x % 4 * 2 + i % 2; }

    // Calls `body(row, r, h)` for each row of this lane: row `h` (0 or 1) of the 16-row tile `r`, counted in the block.
    template <typename Body> __device__ __forceinline__ void forEachRow(Body body) {
      int first = threadIdx.x / 32 * (ROW_TILES * 16) + threadIdx.x % 32 / 4;
    #pragma unroll
      for (int r = 0; r < ROW_TILES; r++)
    #pragma unroll
        for (int h = 0; h < 2; h++) body(first + r * 16 + h * 8, r, h);
    }

    // The sum over the four lanes that share a row.
    __device__ __forceinline__ float rowSum(float x) {
      x += __shfl_xor_sync(0xffffffffu, x, 1);
      return x + __shfl_xor_sync(0xffffffffu, x, 2);
    }

    // Writes `factor` times a row of sums: this lane's pairs of each 8 columns.
    __device__ __forceinline__ void writeRow(
        T* row, const Sums& sums, int r, int h, float factor, int accumulate) {
    #pragma unroll
      for (int c = 0; c < chunkCount; c++)
        writePair(row + c * 8 + threadIdx.x % 4 * 2, sums[r][c][2 * h] * factor, sums[r][c][2 * h + 1] * factor,
                  accumulate);
    }
    """#
}
