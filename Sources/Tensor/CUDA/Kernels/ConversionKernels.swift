extension KernelSource {
  /// One value for every element, for every type.
  static let fill = KernelSource(
    name: "fill",
    text: #"""
      template <int N> __device__ __forceinline__ void fillPacks(T* out, long long count, float value) {
        float pack[N];
        for (int i = 0; i < N; i++) pack[i] = value;
        long long start = firstElement<N>(), step = (long long)blockDim.x * N;
        for (int k = 0; k < packsPerThread; k++) storePack(out, pack, start + k * step, count, 0);
      }

      extern "C" __global__ void fillWide(T* out, long long count, float value) {
        fillPacks<vectorWidth<T>>(out, count, value);
      }

      extern "C" __global__ void fillNarrow(T* out, long long count, float value) { fillPacks<1>(out, count, value); }
      """#,
    variants: DType.allCases.map { [KernelMacro("T", $0)] })

  /// Conversions between types; copies have kernels of their own.
  static let cast = KernelSource(
    name: "cast",
    text: #"""
      // Neighbours that fill 16 bytes of the wider type.
      constexpr int castWidth = 16 / (sizeof(SOURCE) > sizeof(TARGET) ? sizeof(SOURCE) : sizeof(TARGET));

      template <int N>
      __device__ __forceinline__ void castPacks(const SOURCE* x, TARGET* out, long long count, int accumulate) {
        float packs[packsPerThread][N];
        long long start = firstElement<N>(), step = (long long)blockDim.x * N;
        for (int k = 0; k < packsPerThread; k++) loadPack(packs[k], x, start + k * step, count);
        for (int k = 0; k < packsPerThread; k++) storePack(out, packs[k], start + k * step, count, accumulate);
      }

      extern "C" __global__ void castWide(const SOURCE* x, TARGET* out, long long count, int accumulate) {
        castPacks<castWidth>(x, out, count, accumulate);
      }

      extern "C" __global__ void castNarrow(const SOURCE* x, TARGET* out, long long count, int accumulate) {
        castPacks<1>(x, out, count, accumulate);
      }
      """#,
    variants: DType.allCases.flatMap { source in
      DType.floatingPoint.filter { $0 != source }.map { [KernelMacro("SOURCE", source), KernelMacro("TARGET", $0)] }
    })
}
