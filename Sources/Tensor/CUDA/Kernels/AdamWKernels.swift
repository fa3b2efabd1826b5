extension KernelSource {
  /// What both kinds of AdamW steps consist of.
  private static let adamWParts =
    philox + #"""
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

      // Which random numbers round the parameters; see `StochasticRounding`.
      struct Rounding {
        unsigned long long seed;
        unsigned stream, draw;
        long long first;
      };

      // Cuts off what bf16 has no room for, after a random number of 16 bits has been added to it.
      __device__ __forceinline__ bf16 roundAtRandom(float x, unsigned noise) {
        return isfinite(x) ? bf16{(unsigned short)((__float_as_uint(x) + noise) >> 16)} : narrow<bf16>(x);
      }

      // The random 16 bits of one of the eight elements that share a block of Philox.
      __device__ __forceinline__ unsigned noiseAt(const Words& words, int position) {
        unsigned low = position & 2 ? words.at[1] : words.at[0], high = position & 2 ? words.at[3] : words.at[2];
        unsigned word = position & 4 ? high : low;
        return position & 1 ? word >> 16 : word & 0xffffu;
      }

      template <int N> __device__ __forceinline__ void storeParameter(
          float* to, const float (&x)[N], long long start, long long end, const Rounding&) {
        storePassing(to, x, start, end);
      }
      template <int N> __device__ __forceinline__ void storeParameter(
          bf16* to, const float (&x)[N], long long start, long long end, const Rounding& rounding) {
        Words words = wordsOfBlock((rounding.first + start) >> 3, rounding.draw, rounding.seed, rounding.stream);
        int position = N == 8 ? 0 : (int)(start & 7);
        Passing<bf16, N> passing;
        for (int i = 0; i < N; i++) passing.pack.at[i] = roundAtRandom(x[i], noiseAt(words, position + i));
        if (start + N <= end) {
          __stcs((decltype(passing.word)*)(to + start), passing.word);
        } else {
          for (int i = 0; i < N; i++)
            if (start + i < end) to[start + i] = passing.pack.at[i];
        }
      }

      """#

  /// Every type of gradient, parameter and shadow: parameters in BFloat16 have no shadow.
  private static let adamWVariants: [[KernelMacro]] = DType.floatingPoint.flatMap { gradient in
    (DType.floatingPoint.map { (DType.float32, $0) } + [(.bfloat16, .bfloat16)]).map { parameter, shadow in
      [KernelMacro("GRADIENT", gradient), KernelMacro("PARAMETER", parameter), KernelMacro("SHADOW", shadow)]
    }
  }

  /// One AdamW step over flat arenas.
  static let adamW = KernelSource(
    name: "adamW",
    text: adamWParts + #"""
      template <int N> __device__ __forceinline__ void updateArena(
          const Step& step, const Rounding& rounding, const GRADIENT* gradient, PARAMETER* parameter, float* moment1,
          float* moment2, SHADOW* shadow, long long count) {
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
            storeParameter(parameter, p[k], start, count, rounding);
            storePassing(moment1, m[k], start, count);
            storePassing(moment2, v[k], start, count);
            if (shadow) storePassing(shadow, p[k], start, count);
          }
        }
      }

      extern "C" __global__ void __launch_bounds__(256) adamWWide(
          const float* rates, const float* clipping, const GRADIENT* gradient, PARAMETER* parameter, float* moment1,
          float* moment2, SHADOW* shadow, long long count, float newShare1, float oldShare2, float newShare2,
          float epsilon, double weightDecay, unsigned long long seed, unsigned stream, const unsigned* draw,
          long long firstDrawn) {
        __shared__ Step step;
        prepare(step, rates, clipping, newShare1, oldShare2, newShare2, epsilon, weightDecay);
        if (isnan(step.clipping)) return;
        Rounding rounding{seed, stream, draw ? *draw : 0, firstDrawn};
        updateArena<4>(step, rounding, gradient, parameter, moment1, moment2, shadow, count);
      }

      extern "C" __global__ void __launch_bounds__(256) adamWNarrow(
          const float* rates, const float* clipping, const GRADIENT* gradient, PARAMETER* parameter, float* moment1,
          float* moment2, SHADOW* shadow, long long count, float newShare1, float oldShare2, float newShare2,
          float epsilon, double weightDecay, unsigned long long seed, unsigned stream, const unsigned* draw,
          long long firstDrawn) {
        __shared__ Step step;
        prepare(step, rates, clipping, newShare1, oldShare2, newShare2, epsilon, weightDecay);
        if (isnan(step.clipping)) return;
        Rounding rounding{seed, stream, draw ? *draw : 0, firstDrawn};
        updateArena<1>(step, rounding, gradient, parameter, moment1, moment2, shadow, count);
      }
      """#,
    variants: adamWVariants)

  /// One AdamW step with moments in 8 bits.
  static let adamWQuantized = KernelSource(
    name: "adamWQuantized",
    text: adamWParts + codeTables + #"""
      // The numbers that codes stand for, and what a first guess of a code is made from.
      struct Map {
        float values[256];
        // A number has code c if it exceeds bounds[c] and does not exceed bounds[c + 1].
        float bounds[257];
        // The rank of a magnitude among the codes of its sign, as a line over each decade.
        float slopes[7], intercepts[7];
      };

      // All threads of a block take part.
      __device__ __forceinline__ void fill(Map& map, const float* values, const float* midpoints, int parts) {
        int i = threadIdx.x;
        map.values[i] = values[i];
        map.bounds[i + 1] = i < 255 ? midpoints[i] : __int_as_float(0x7f800000);
        if (i == 0) map.bounds[0] = __int_as_float(0xff800000);
        if (i < 7) {
          float count = (float)(parts << i), upperEnd = exp10f((float)(i - 6));
          map.slopes[i] = count / (0.9f * upperEnd);
          map.intercepts[i] = count * (8.0f / 9.0f) - (float)parts;
        }
      }

      // A guess that is off by one at most, then the exact answer.
      template <bool SIGNED> __device__ __forceinline__ unsigned nearestCode(const Map& map, float x) {
        float magnitude = fabsf(x);
        int decade = max(0, min(6, (int)(__log2f(magnitude) * 0.301029996f + 7.0f)));
        int rank = (int)(magnitude * map.slopes[decade] + map.intercepts[decade]);
        int code = SIGNED ? (x < 0.0f ? 126 - rank : 128 + rank) : 1 + rank;
        code = max(0, min(255, code));
        while (x > map.bounds[code + 1]) code++;
        while (x <= map.bounds[code]) code--;
        return code;
      }

      // Eight codes; beyond the end stands the code of zero.
      __device__ __forceinline__ void loadCodes(
          unsigned (&codes)[8], const unsigned char* from, long long start, long long end, unsigned zero) {
        if (start + 8 <= end) {
          uint2 word = __ldcs((const uint2*)(from + start));
          for (int i = 0; i < 8; i++) codes[i] = ((i < 4 ? word.x : word.y) >> (8 * (i & 3))) & 0xffu;
        } else {
          for (int i = 0; i < 8; i++) codes[i] = start + i < end ? from[start + i] : zero;
        }
      }

      __device__ __forceinline__ void storeCodes(
          unsigned char* to, const unsigned (&codes)[8], long long start, long long end) {
        if (start + 8 <= end) {
          uint2 word = make_uint2(0, 0);
          for (int i = 0; i < 4; i++) {
            word.x |= codes[i] << (8 * i);
            word.y |= codes[i + 4] << (8 * i);
          }
          __stcs((uint2*)(to + start), word);
        } else {
          for (int i = 0; i < 8; i++)
            if (start + i < end) to[start + i] = (unsigned char)codes[i];
        }
      }

      // Eight neighbouring numbers by accesses of at most 16 bytes.
      template <typename T> __device__ __forceinline__ void loadEight(
          float (&x)[8], const T* from, long long start, long long end) {
        constexpr int width = sizeof(T) == 4 ? 4 : 8;
        for (int k = 0; k < 8; k += width) {
          float part[width];
          loadPassing(part, from, start + k, end);
          for (int i = 0; i < width; i++) x[k + i] = part[i];
        }
      }
      template <typename T> __device__ __forceinline__ void storeEight(
          T* to, const float (&x)[8], long long start, long long end) {
        constexpr int width = sizeof(T) == 4 ? 4 : 8;
        for (int k = 0; k < 8; k += width) {
          float part[width];
          for (int i = 0; i < width; i++) part[i] = x[k + i];
          storePassing(to, part, start + k, end);
        }
      }
      __device__ __forceinline__ void storeNew(
          float* to, const float (&x)[8], long long start, long long end, const Rounding&) {
        storeEight(to, x, start, end);
      }
      __device__ __forceinline__ void storeNew(
          bf16* to, const float (&x)[8], long long start, long long end, const Rounding& rounding) {
        storeParameter(to, x, start, end, rounding);
      }

      // The moments of one kind that a lane updates: widened before, narrowed after the step.
      __device__ __forceinline__ void widenCodes(
          float (&x)[8], const Map& map, const unsigned char* codes, float scale, long long start, long long end,
          unsigned zero) {
        unsigned known[8];
        loadCodes(known, codes, start, end, zero);
        for (int i = 0; i < 8; i++) x[i] = __fmul_rn(map.values[known[i]], scale);
      }
      template <bool SIGNED> __device__ __forceinline__ void narrowCodes(
          const float (&x)[8], const Map& map, unsigned char* codes, float* scale, long long start, long long end) {
        float largest = 0.0f;
        for (int i = 0; i < 8; i++) largest = fmaxf(largest, fabsf(x[i]));
        largest = warpMaximum(largest);
        float inverse = largest >= 0x1p-126f ? __fdiv_rn(1.0f, largest) : 0.0f;
        unsigned nearest[8];
        for (int i = 0; i < 8; i++) nearest[i] = nearestCode<SIGNED>(map, __fmul_rn(x[i], inverse));
        storeCodes(codes, nearest, start, end);
        if ((threadIdx.x & 31) == 0) *scale = largest;
      }

      // A warp takes a block of 256 numbers, a lane eight neighbours of it.
      extern "C" __global__ void __launch_bounds__(256) adamWQuantized(
          const float* rates, const float* clipping, const GRADIENT* gradient, PARAMETER* parameter,
          unsigned char* codes1, float* scales1, unsigned char* codes2, float* scales2, SHADOW* shadow, long long count,
          float newShare1, float oldShare2, float newShare2, float epsilon, double weightDecay,
          unsigned long long seed, unsigned stream, const unsigned* draw, long long firstDrawn) {
        __shared__ Step step;
        __shared__ Map map1, map2;
        fill(map1, signedValues, signedMidpoints, 1);
        fill(map2, unsignedValues, unsignedMidpoints, 2);
        prepare(step, rates, clipping, newShare1, oldShare2, newShare2, epsilon, weightDecay);
        if (isnan(step.clipping)) return;
        Rounding rounding{seed, stream, draw ? *draw : 0, firstDrawn};
        int warpsPerBlock = blockDim.x / 32;
        long long block = (long long)blockIdx.x * warpsPerBlock + threadIdx.x / 32;
        for (; block * 256 < count; block += (long long)gridDim.x * warpsPerBlock) {
          long long start = block * 256 + (threadIdx.x & 31) * 8;
          float g[8], p[8], m[8], v[8];
          loadEight(g, gradient, start, count);
          loadEight(p, parameter, start, count);
          widenCodes(m, map1, codes1, scales1[block], start, count, 127);
          widenCodes(v, map2, codes2, scales2[block], start, count, 0);
          __syncwarp();
          for (int i = 0; i < 8; i++) update(step, g[i], p[i], m[i], v[i]);
          storeNew(parameter, p, start, count, rounding);
          if (shadow) storeEight(shadow, p, start, count);
          narrowCodes<true>(m, map1, codes1, scales1 + block, start, count);
          narrowCodes<false>(v, map2, codes2, scales2 + block, start, count);
        }
      }
      """#,
    variants: adamWVariants)

  /// The numbers of `QuantizationMap` as arrays.
  private static let codeTables: String = {
    func array(_ name: String, _ numbers: [Float]) -> String {
      "__device__ const float \(name)[\(numbers.count)] = {\(numbers.map { "\($0)f" }.joined(separator: ", "))};\n"
    }
    let (signed, unsigned) = (QuantizationMap.signed, QuantizationMap.unsigned)
    return array("signedValues", signed.values) + array("signedMidpoints", signed.midpoints)
      + array("unsignedValues", unsigned.values) + array("unsignedMidpoints", unsigned.midpoints)
  }()
}
