extension KernelSource {
  /// The words behind all random numbers; part of other families.
  static let philox = #"""
    // One block of Philox 4x32 with ten rounds (Salmon et al., 2011), as `Philox.block`.
    struct Words { unsigned at[4]; };

    __device__ __forceinline__ Words philox(Words counter, unsigned long long seed) {
      unsigned key0 = (unsigned)seed, key1 = (unsigned)(seed >> 32);
      for (int round = 0; round < 10; round++) {
        unsigned high0 = __umulhi(counter.at[0], 0xD2511F53u), low0 = counter.at[0] * 0xD2511F53u;
        unsigned high1 = __umulhi(counter.at[2], 0xCD9E8D57u), low1 = counter.at[2] * 0xCD9E8D57u;
        counter = Words{{high1 ^ counter.at[1] ^ key0, low1, high0 ^ counter.at[3] ^ key1, low0}};
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
      }
      return counter;
    }

    // The words of elements 4 `index` to 4 `index` + 3 of a draw.
    __device__ __forceinline__ Words wordsOfBlock(
        long long index, unsigned draw, unsigned long long seed, unsigned stream) {
      return philox(Words{{(unsigned)index, (unsigned)(index >> 32), draw, stream}}, seed);
    }

    """#

  /// The numbers of `RandomStream`.
  static let random = KernelSource(
    name: "random",
    text: philox + #"""
      // A thread makes four elements.
      extern "C" __global__ void uniform(
          float* out, long long count, unsigned long long seed, unsigned stream, const unsigned* draw) {
        long long block = (long long)blockIdx.x * blockDim.x + threadIdx.x;
        Words words = wordsOfBlock(block, *draw, seed, stream);
        for (int i = 0; i < 4; i++)
          if (4 * block + i < count) out[4 * block + i] = (float)(words.at[i] >> 8) * 0x1p-24f;
      }

      // A thread makes two pairs by the Box-Muller transform in double precision.
      extern "C" __global__ void normal(
          float* out, long long count, unsigned long long seed, unsigned stream, const unsigned* draw) {
        long long block = (long long)blockIdx.x * blockDim.x + threadIdx.x;
        Words words = wordsOfBlock(block, *draw, seed, stream);
        for (int i = 0; i < 4; i += 2) {
          if (4 * block + i >= count) return;
          double radius = sqrt(-2.0 * log((words.at[i] + 0.5) * 0x1p-32)), sine, cosine;
          sincospi(2.0 * (words.at[i + 1] * 0x1p-32), &sine, &cosine);
          out[4 * block + i] = (float)(radius * cosine);
          if (4 * block + i + 1 < count) out[4 * block + i + 1] = (float)(radius * sine);
        }
      }
      """#,
    variants: [[]])
}
