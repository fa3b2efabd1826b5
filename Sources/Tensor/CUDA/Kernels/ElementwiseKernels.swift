extension KernelSource {
  /// A function of one tensor, for every function and type.
  static let map = KernelSource(
    name: "map",
    text: #"""
      // `scale` and `shift` are there for the linear function.
      __device__ __forceinline__ float function(float a, float scale, float shift) { return OPERATION; }

      template <int N>
      __device__ __forceinline__ void mapPacks(
          const T* a, T* out, long long count, float scale, float shift, int accumulate) {
        float packs[packsPerThread][N];
        long long start = firstElement<N>(), step = (long long)blockDim.x * N;
        for (int k = 0; k < packsPerThread; k++) loadPack(packs[k], a, start + k * step, count);
        #pragma unroll
        for (int k = 0; k < packsPerThread; k++) {
          #pragma unroll
          for (int i = 0; i < N; i++) packs[k][i] = function(packs[k][i], scale, shift);
          storePack(out, packs[k], start + k * step, count, accumulate);
        }
      }

      extern "C" __global__ void mapWide(
          const T* a, T* out, long long count, float scale, float shift, int accumulate) {
        mapPacks<vectorWidth<T>>(a, out, count, scale, shift, accumulate);
      }

      extern "C" __global__ void mapNarrow(
          const T* a, T* out, long long count, float scale, float shift, int accumulate) {
        mapPacks<1>(a, out, count, scale, shift, accumulate);
      }
      """#,
    variants: DType.floatingPoint.flatMap { dtype in
      (UnaryOperation.allCases.map(\.kernelExpression) + [linearFunction]).map {
        [KernelMacro("T", dtype), KernelMacro("OPERATION", $0)]
      }
    })

  /// A function of pairs of elements, for every function and type.
  static let zip = KernelSource(
    name: "zip",
    text: #"""
      __device__ __forceinline__ float function(float a, float b) { return OPERATION; }

      // Both operands have the shape of the result.
      template <int N>
      __device__ __forceinline__ void zipFlat(const T* a, const T* b, T* out, long long count, int accumulate) {
        float packsA[packsPerThread][N], packsB[packsPerThread][N];
        long long start = firstElement<N>(), step = (long long)blockDim.x * N;
        #pragma unroll
        for (int k = 0; k < packsPerThread; k++) {
          loadPack(packsA[k], a, start + k * step, count);
          loadPack(packsB[k], b, start + k * step, count);
        }
        #pragma unroll
        for (int k = 0; k < packsPerThread; k++) {
          #pragma unroll
          for (int i = 0; i < N; i++) packsA[k][i] = function(packsA[k][i], packsB[k][i]);
          storePack(out, packsA[k], start + k * step, count, accumulate);
        }
      }

      // N neighbours along the last axis, or one element N times where the operand is repeated along it.
      template <int N>
      __device__ __forceinline__ void loadOperand(float (&pack)[N], const T* from, long long column, long long stride) {
        if (stride) {
          loadPack(pack, from, column, column + N);
        } else {
          float value = widen(*from);
          for (int i = 0; i < N; i++) pack[i] = value;
        }
      }

      // Operands are repeated along some axes. A thread takes N neighbours along the last axis, which N divides.
      template <int N>
      __device__ __forceinline__ void zipRows(
          const T* a, const T* b, T* out, Axes extents, Axes stridesA, Axes stridesB, unsigned packs, int accumulate) {
        unsigned pack = blockIdx.x * blockDim.x + threadIdx.x;
        if (pack >= packs) return;
        unsigned packsPerRow = (unsigned)extents.at[3] / N;
        unsigned row = pack / packsPerRow, column = (pack - row * packsPerRow) * N;
        unsigned outer = row / (unsigned)extents.at[2], last = row - outer * (unsigned)extents.at[2];
        unsigned first = outer / (unsigned)extents.at[1], middle = outer - first * (unsigned)extents.at[1];
        a += first * stridesA.at[0] + middle * stridesA.at[1] + last * stridesA.at[2];
        b += first * stridesB.at[0] + middle * stridesB.at[1] + last * stridesB.at[2];
        float packA[N], packB[N];
        loadOperand(packA, a, column, stridesA.at[3]);
        loadOperand(packB, b, column, stridesB.at[3]);
        #pragma unroll
        for (int i = 0; i < N; i++) packA[i] = function(packA[i], packB[i]);
        long long start = (long long)pack * N;
        storePack(out, packA, start, start + N, accumulate);
      }

      extern "C" __global__ void zipFlatWide(const T* a, const T* b, T* out, long long count, int accumulate) {
        zipFlat<vectorWidth<T>>(a, b, out, count, accumulate);
      }

      extern "C" __global__ void zipFlatNarrow(const T* a, const T* b, T* out, long long count, int accumulate) {
        zipFlat<1>(a, b, out, count, accumulate);
      }

      extern "C" __global__ void zipRowsWide(
          const T* a, const T* b, T* out, Axes extents, Axes stridesA, Axes stridesB, unsigned packs, int accumulate) {
        zipRows<vectorWidth<T>>(a, b, out, extents, stridesA, stridesB, packs, accumulate);
      }

      extern "C" __global__ void zipRowsNarrow(
          const T* a, const T* b, T* out, Axes extents, Axes stridesA, Axes stridesB, unsigned packs, int accumulate) {
        zipRows<1>(a, b, out, extents, stridesA, stridesB, packs, accumulate);
      }
      """#,
    variants: DType.floatingPoint.flatMap { dtype in
      BinaryOperation.allCases.map { [KernelMacro("T", dtype), KernelMacro("OPERATION", $0.kernelExpression)] }
    })

  /// The expression of `affine`.
  static let linearFunction = "scale * a + shift"
}

extension UnaryOperation {
  /// The function of `a` in CUDA C++.
  var kernelExpression: String {
    switch self {
    case .squareRoot: "sqrtf(a)"
    case .exp: "exponential<T>(a)"
    case .silu: "a * sigmoid<T>(a)"
    case .gelu: "a * normalDistribution(a)"
    case .quickGELU: "a * sigmoid<T>(1.702f * a)"
    }
  }
}

extension BinaryOperation {
  /// The function of `a` and `b` in CUDA C++.
  var kernelExpression: String {
    switch self {
    case .add: "a + b"
    case .subtract: "a - b"
    case .multiply: "a * b"
    case .divide: "a / b"
    case .minimum: "a > b ? b : a"
    case .maximum: "a < b ? b : a"
    case .siluBackward: "b * sigmoidUnitSlope<T>(a, 1.0f)"
    case .geluBackward: "b * geluSlope<T>(a)"
    case .quickGELUBackward: "b * sigmoidUnitSlope<T>(a, 1.702f)"
    }
  }
}
