/// What kernels that multiply matrices on tensor cores begin with: products of fragments, and copies between global
/// memory, shared memory and registers.
///
/// Needs compute capability 8.0 and the macro `T`, bf16 or half.
enum TensorCores {
  /// The code.
  static let text = #"""
    // A warp multiplies a tile of 16 rows (a) by one of 8 columns (b) and adds the product to a tile of 16 x 8 floats.
    // Lane l holds of the sum: row l / 4, columns 2 (l % 4) and the next (at 0 and 1); row l / 4 + 8, the same columns
    // (at 2 and 3). This is also the order of the left operand, two elements to a register, so that sums rounded by
    // `pack` are the left operand of the next product without any exchange between lanes.

    // Two floats rounded to T in one register, the first in the lower half.
    template <typename T> __device__ __forceinline__ unsigned pack(float low, float high);
    template <> __device__ __forceinline__ unsigned pack<bf16>(float low, float high) {
      unsigned pair;
      asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
      return pair;
    }
    template <> __device__ __forceinline__ unsigned pack<half>(float low, float high) {
      unsigned pair;
      asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
      return pair;
    }

    template <typename T> constexpr bool isBrainFloat = false;
    template <> constexpr bool isBrainFloat<bf16> = true;

    // sum += a b over 16 positions.
    __device__ __forceinline__ void multiply(float (&sum)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
      if constexpr (isBrainFloat<T>)
        asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
            : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
            : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
      else
        asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
            : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
            : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
    }

    // sum += a b over 8 positions.
    __device__ __forceinline__ void multiply(float (&sum)[4], const unsigned (&a)[2], unsigned b) {
      if constexpr (isBrainFloat<T>)
        asm("mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
            : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3]) : "r"(a[0]), "r"(a[1]), "r"(b));
      else
        asm("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
            : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3]) : "r"(a[0]), "r"(a[1]), "r"(b));
    }

    __device__ __forceinline__ unsigned sharedAddress(const void* place) {
      return (unsigned)__cvta_generic_to_shared(place);
    }

    // Loads four 8 x 8 matrices, or two, from shared memory: lane l names row l % 8 of matrix l / 8.
    __device__ __forceinline__ void loadMatrices(unsigned (&to)[4], const T* row) {
      asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                   : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3]) : "r"(sharedAddress(row)));
    }
    __device__ __forceinline__ void loadMatrices(unsigned (&to)[2], const T* row) {
      asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];"
                   : "=r"(to[0]), "=r"(to[1]) : "r"(sharedAddress(row)));
    }

    // The same, each matrix transposed.
    __device__ __forceinline__ void loadTransposed(unsigned (&to)[4], const T* row) {
      asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                   : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3]) : "r"(sharedAddress(row)));
    }
    __device__ __forceinline__ void loadTransposed(unsigned (&to)[2], const T* row) {
      asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];"
                   : "=r"(to[0]), "=r"(to[1]) : "r"(sharedAddress(row)));
    }

    // Starts to copy 16 bytes from global to shared memory, or to fill them with zeros.
    __device__ __forceinline__ void copyChunk(void* to, const void* from, bool exists) {
      asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
                   :: "r"(sharedAddress(to)), "l"(from), "r"(exists ? 16 : 0) : "memory");
    }

    // Ends a group of copies.
    __device__ __forceinline__ void commitCopies() { asm volatile("cp.async.commit_group;" ::: "memory"); }

    // Waits until all but the last PENDING groups of this thread have arrived.
    template <int PENDING> __device__ __forceinline__ void waitForCopies() {
      asm volatile("cp.async.wait_group %0;" :: "n"(PENDING) : "memory");
    }

    // 2 to the power of x, to within 2 ulp; zero below the normal numbers.
    __device__ __forceinline__ float powerOfTwo(float x) {
      float result;
      asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
      return result;
    }
    """#
}
