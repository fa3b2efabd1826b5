extension KernelSource {
  /// One AdamW step over flat arenas, for every type of gradient and of shadow.
  static let adamW = KernelSource(
    name: "adamW",
    text: #"""
      // What all elements of a step share.
      struct Step { float clipping, keep, newShare1, oldShare2, newShare2, size, root2, epsilon; };

      // Arenas are larger than any cache and are touched once in a step, so they pass through it as guests.
      template <int BYTES> struct Word;
      template <> struct Word<16> { typedef uint4 Type; };
      template <> struct Word<8> { typedef uint2 Type; };
      template <> struct Word<4> { typedef unsigned Type; };
      template <> struct Word<2> { typedef unsigned short Type; };

      template <typename T, int N> union Passing {
        Vector<T, N> pack;
        typename Word<sizeof(T) * N>::Type word;
      };

      template <int N, typename T>
      __device__ __forceinline__ void loadPassing(float (&x)[N], const T* from, long long start, long long end) {
        if (start + N > end) return loadPack(x, from, start, end);
        Passing<T, N> passing;
        passing.word = __ldcs((const decltype(passing.word)*)(from + start));
        for (int i = 0; i < N; i++) x[i] = widen(passing.pack.at[i]);
      }

      template <int N, typename T>
      __device__ __forceinline__ void storePassing(T* to, const float (&x)[N], long long start, long long end) {
        if (start + N > end) return storePack(to, x, start, end, 0);
        Passing<T, N> passing;
        for (int i = 0; i < N; i++) passing.pack.at[i] = narrow<T>(x[i]);
        __stcs((decltype(passing.word)*)(to + start), passing.word);
      }

      // Every operation is rounded on its own, as on the CPU: none are merged into multiply-adds.
      __device__ __forceinline__ void update(const Step& step, float g, float& p, float& m, float& v) {
        g = __fmul_rn(g, step.clipping);
        m = __fadd_rn(m, __fmul_rn(__fsub_rn(g, m), step.newShare1));
        v = __fadd_rn(__fmul_rn(v, step.oldShare2), __fmul_rn(__fmul_rn(g, g), step.newShare2));
        float direction = __fdiv_rn(m, __fadd_rn(__fdiv_rn(__fsqrt_rn(v), step.root2), step.epsilon));
        p = __fsub_rn(__fmul_rn(p, step.keep), __fmul_rn(step.size, direction));
      }

      template <int N> __device__ __forceinline__ void updateArena(
          const Step& step, const GRADIENT* gradient, float* parameter, float* moment1, float* moment2,
          SHADOW* shadow, long long count) {
        long long width = (long long)blockDim.x * N, stride = width * packsPerThread * gridDim.x;
        for (long long first = firstElement<N>(); first < count; first += stride) {
          float g[packsPerThread][N], p[packsPerThread][N], m[packsPerThread][N], v[packsPerThread][N];
          #pragma unroll
          for (int k = 0; k < packsPerThread; k++) {
            long long start = first + k * width;
            loadPassing(g[k], gradient, start, count);
            loadPassing(p[k], parameter, start, count);
            loadPassing(m[k], moment1, start, count);
            loadPassing(v[k], moment2, start, count);
          }
          #pragma unroll
          for (int k = 0; k < packsPerThread; k++) {
            long long start = first + k * width;
            for (int i = 0; i < N; i++) update(step, g[k][i], p[k][i], m[k][i], v[k][i]);
            storePassing(parameter, p[k], start, count);
            storePassing(moment1, m[k], start, count);
            storePassing(moment2, v[k], start, count);
            if (shadow) storePassing(shadow, p[k], start, count);
          }
        }
      }

      // What follows from the rates is computed in double precision and rounded once, as PyTorch does.
      __device__ __forceinline__ void prepare(
          Step& step, const float* rates, const float* clipping, float newShare1, float oldShare2, float newShare2,
          float epsilon, double weightDecay) {
        if (threadIdx.x == 0) {
          double learningRate = rates[0], correction1 = rates[1], correction2 = rates[2];
          float keep = (float)(1.0 - __dmul_rn(learningRate, weightDecay));
          float size = (float)(learningRate / correction1), root2 = (float)sqrt(correction2);
          step = Step{*clipping, keep, newShare1, oldShare2, newShare2, size, root2, epsilon};
        }
        __syncthreads();
      }

      extern "C" __global__ void __launch_bounds__(256) adamWWide(
          const float* rates, const float* clipping, const GRADIENT* gradient, float* parameter, float* moment1,
          float* moment2, SHADOW* shadow, long long count, float newShare1, float oldShare2, float newShare2,
          float epsilon, double weightDecay) {
        __shared__ Step step;
        prepare(step, rates, clipping, newShare1, oldShare2, newShare2, epsilon, weightDecay);
        if (isnan(step.clipping)) return;
        updateArena<4>(step, gradient, parameter, moment1, moment2, shadow, count);
      }

      extern "C" __global__ void __launch_bounds__(256) adamWNarrow(
          const float* rates, const float* clipping, const GRADIENT* gradient, float* parameter, float* moment1,
          float* moment2, SHADOW* shadow, long long count, float newShare1, float oldShare2, float newShare2,
          float epsilon, double weightDecay) {
        __shared__ Step step;
        prepare(step, rates, clipping, newShare1, oldShare2, newShare2, epsilon, weightDecay);
        if (isnan(step.clipping)) return;
        updateArena<1>(step, gradient, parameter, moment1, moment2, shadow, count);
      }
      """#,
    variants: DType.floatingPoint.flatMap { gradient in
      DType.floatingPoint.map { [KernelMacro("GRADIENT", gradient), KernelMacro("SHADOW", $0)] }
    })

  /// The few numbers that a step keeps about itself. One thread each.
  static let stepNumbers = KernelSource(
    name: "stepNumbers",
    text: #"""
      extern "C" __global__ void clippingFactor(
          const float* sumOfSquares, const float* scale, float maximumNorm, float* out) {
        float norm = sqrtf(*sumOfSquares) / *scale, factor = maximumNorm / (norm + 1e-6f);
        *out = isfinite(*sumOfSquares) ? (factor < 1.0f ? factor : 1.0f) / *scale : __int_as_float(0x7fc00000);
      }

      // A clipping factor that is no number says that the step is skipped.
      extern "C" __global__ void countStep(
          double beta1, double beta2, const float* clipping, int* steps, float* rates) {
        if (isnan(*clipping)) return;
        int count = *steps + 1;
        *steps = count;
        rates[1] = (float)(1.0 - pow(beta1, (double)count));
        rates[2] = (float)(1.0 - pow(beta2, (double)count));
      }

      extern "C" __global__ void updateScale(
          float growthFactor, float backoffFactor, int growthInterval, const float* clipping, float* scale,
          int* goodSteps) {
        if (isnan(*clipping)) {
          *scale *= backoffFactor;
          *goodSteps = 0;
        } else if (*goodSteps + 1 < growthInterval) {
          *goodSteps += 1;
        } else {
          float grown = *scale * growthFactor;
          if (isfinite(grown)) *scale = grown;
          *goodSteps = 0;
        }
      }
      """#,
    variants: [[]])
}
