/// What every family of kernels begins with: element types, vectors of elements, activations and sums over a block of
/// threads.
///
/// The half types are our own, so that kernels compile where no CUDA headers are installed.
enum KernelPrelude {
  /// The code.
  static let text = #"""
    // A brain float (8 bits of exponent, 7 of fraction) and an IEEE half (5 and 10), as bits. All arithmetic is done in
    // float: `widen` reads an element, `narrow<T>` rounds to the nearest one, ties to even; whole numbers are truncated.
    struct bf16 { unsigned short bits; };
    struct half { unsigned short bits; };

    __device__ __forceinline__ float widen(float x) { return x; }
    __device__ __forceinline__ float widen(bf16 x) { return __uint_as_float((unsigned)x.bits << 16); }
    __device__ __forceinline__ float widen(half x) {
      float result;
      asm("cvt.f32.f16 %0, %1;" : "=f"(result) : "h"(x.bits));
      return result;
    }

    __device__ __forceinline__ float widen(int x) { return (float)x; }
    __device__ __forceinline__ float widen(unsigned char x) { return (float)x; }

    template <typename T> __device__ __forceinline__ T narrow(float x);
    template <> __device__ __forceinline__ int narrow<int>(float x) { return (int)x; }
    template <> __device__ __forceinline__ unsigned char narrow<unsigned char>(float x) { return (unsigned char)x; }
    template <> __device__ __forceinline__ float narrow<float>(float x) { return x; }
    template <> __device__ __forceinline__ bf16 narrow<bf16>(float x) {
    #if __CUDA_ARCH__ >= 800
      unsigned short bits;
      asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(x));
      return bf16{bits};
    #else
      unsigned bits = __float_as_uint(x);
      if ((bits & 0x7fffffffu) > 0x7f800000u) return bf16{(unsigned short)0x7fff};
      return bf16{(unsigned short)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16)};
    #endif
    }
    template <> __device__ __forceinline__ half narrow<half>(float x) {
      unsigned short bits;
      asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(x));
      return half{bits};
    }

    // N neighbouring elements, loaded and stored at once. The address must be a multiple of their size.
    template <typename T, int N> struct alignas(sizeof(T) * N) Vector { T at[N]; };

    // Elements in 16 bytes, the widest access of a thread.
    template <typename T> constexpr int vectorWidth = 16 / sizeof(T);

    // Loads N neighbouring elements in float, or as many as there are before `end`, followed by zeros.
    template <int N, typename T>
    __device__ __forceinline__ void loadPack(float (&x)[N], const T* from, long long start, long long end) {
      if (start + N <= end) {
        Vector<T, N> pack = *(const Vector<T, N>*)(from + start);
        for (int i = 0; i < N; i++) x[i] = widen(pack.at[i]);
      } else {
        for (int i = 0; i < N; i++) x[i] = start + i < end ? widen(from[start + i]) : 0.0f;
      }
    }

    // Stores N neighbouring elements, or as many as there are before `end`, or adds them to what is there.
    template <int N, typename T>
    __device__ __forceinline__ void storePack(
        T* to, const float (&x)[N], long long start, long long end, int accumulate) {
      if (start + N <= end) {
        Vector<T, N>* place = (Vector<T, N>*)(to + start);
        Vector<T, N> pack;
        if (accumulate) {
          Vector<T, N> old = *place;
          for (int i = 0; i < N; i++) pack.at[i] = narrow<T>(widen(old.at[i]) + x[i]);
        } else {
          for (int i = 0; i < N; i++) pack.at[i] = narrow<T>(x[i]);
        }
        *place = pack;
      } else {
        for (int i = 0; i < N; i++)
          if (start + i < end) to[start + i] = narrow<T>(accumulate ? widen(to[start + i]) + x[i] : x[i]);
      }
    }

    // Kernels over flat tensors: a thread takes two packs of N elements, a block's width apart. This is its first one.
    constexpr int packsPerThread = 2;
    template <int N> __device__ __forceinline__ long long firstElement() {
      return ((long long)blockIdx.x * packsPerThread * blockDim.x + threadIdx.x) * N;
    }

    // Moves N neighbouring elements bit by bit, or adds them to what is there. Their address must be a multiple of
    // their size.
    template <int N, typename T>
    __device__ __forceinline__ void movePack(const T* from, T* to, int accumulate) {
      Vector<T, N> pack = *(const Vector<T, N>*)from;
      if (accumulate) {
        Vector<T, N> old = *(const Vector<T, N>*)to;
        for (int i = 0; i < N; i++) pack.at[i] = narrow<T>(widen(old.at[i]) + widen(pack.at[i]));
      }
      *(Vector<T, N>*)to = pack;
    }

    // Four axes, as extents or as strides in elements, outermost first.
    struct Axes { long long at[4]; };

    // Writes a result as a destination asks for: in place of what is there, or added to it.
    template <typename T> __device__ __forceinline__ void write(T* place, float value, int accumulate) {
      *place = narrow<T>(accumulate ? widen(*place) + value : value);
    }

    // Activations and what they are made of, exact to the rounding of float or, where a shorter type T hides the
    // difference, by the card's fast approximations.
    template <typename T> __device__ __forceinline__ float exponential(float x) { return __expf(x); }
    template <> __device__ __forceinline__ float exponential<float>(float x) { return expf(x); }

    template <typename T> __device__ __forceinline__ float sigmoid(float x) {
      return __fdividef(1.0f, 1.0f + exponential<T>(-x));
    }
    template <> __device__ __forceinline__ float sigmoid<float>(float x) { return 1.0f / (1.0f + expf(-x)); }

    // The derivative of x sigmoid(factor x).
    template <typename T> __device__ __forceinline__ float sigmoidUnitSlope(float x, float factor) {
      float s = sigmoid<T>(factor * x);
      return s * (1.0f + factor * x * (1.0f - s));
    }

    // The distribution function of the unit normal distribution.
    __device__ __forceinline__ float normalDistribution(float x) { return 0.5f * (1.0f + erff(x * 0.707106781f)); }

    // The derivative of gelu, x normalDistribution(x).
    template <typename T> __device__ __forceinline__ float geluSlope(float x) {
      return normalDistribution(x) + x * (exponential<T>(-0.5f * (x * x)) * 0.398942280f);
    }

    // The sum over the 32 lanes of a warp, in every lane, always added in the same order.
    __device__ __forceinline__ float warpSum(float x) {
      for (int distance = 16; distance > 0; distance /= 2) x += __shfl_xor_sync(0xffffffffu, x, distance);
      return x;
    }

    __device__ __forceinline__ float warpMaximum(float x) {
      for (int distance = 16; distance > 0; distance /= 2)
        x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, distance));
      return x;
    }

    // The sum over a block of at most 1024 threads (a multiple of 32), in every thread, always in the same order.
    __device__ __forceinline__ float blockSum(float x) {
      __shared__ float partial[32];
      int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
      x = warpSum(x);
      __syncthreads();
      if (lane == 0) partial[warp] = x;
      __syncthreads();
      x = lane < (int)(blockDim.x >> 5) ? partial[lane] : 0.0f;
      return warpSum(x);
    }
    """#

  /// The packs that a thread of a kernel over flat tensors takes, as in the code.
  static let packsPerThread = 2
}
