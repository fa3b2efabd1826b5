/// What every family of kernels begins with: element types, vectors of elements and sums over a block of threads.
///
/// The half types are our own, so that kernels compile where no CUDA headers are installed.
enum KernelPrelude {
  /// The code.
  static let text = #"""
    // A brain float (8 bits of exponent, 7 of fraction) and an IEEE half (5 and 10), as bits. All arithmetic is done in
    // float: `widen` reads an element, `narrow<T>` rounds to the nearest one, ties to even.
    struct bf16 { unsigned short bits; };
    struct half { unsigned short bits; };

    __device__ __forceinline__ float widen(float x) { return x; }
    __device__ __forceinline__ float widen(bf16 x) { return __uint_as_float((unsigned)x.bits << 16); }
    __device__ __forceinline__ float widen(half x) {
      float result;
      asm("cvt.f32.f16 %0, %1;" : "=f"(result) : "h"(x.bits));
      return result;
    }

    template <typename T> __device__ __forceinline__ T narrow(float x);
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

    // Writes a result as a destination asks for: in place of what is there, or added to it.
    template <typename T> __device__ __forceinline__ void write(T* place, float value, int accumulate) {
      *place = narrow<T>(accumulate ? widen(*place) + value : value);
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
}
