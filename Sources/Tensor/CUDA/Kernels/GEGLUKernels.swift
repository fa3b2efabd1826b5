extension KernelSource {
  /// The gated unit of feed-forward layers and its derivative. `T` is the element type; threads take `WIDTH` columns.
  static let geglu = KernelSource(
    name: "geglu",
    text: #"""
      // Rows of x are [values, gates], `columns` vectors of WIDTH elements each; a thread takes one vector of both.
      typedef Vector<T, WIDTH> Pack;

      // Φ, the unit normal distribution function, and gelu's slope Φ(x) + x φ(x).
      struct Gate { float distribution, slope; };

      // For the half types Φ(-|x|) is exp(-x²/2) times a polynomial in 1 / (1 + p|x|), which errs by less than 10⁻⁷
      // (Abramowitz and Stegun, 7.1.26). The slope uses the same exponential.
      template <typename Element> __device__ __forceinline__ Gate gate(float x) {
        float bell = exponential<Element>(-0.5f * (x * x));
        float t = __fdividef(1.0f, 1.0f + 0.231641888f * fabsf(x));
        float polynomial =
            t * (0.127414796f + t * (-0.142248368f + t * (0.7107068705f + t * (-0.7265760135f + t * 0.5307027145f))));
        float tail = bell * polynomial;
        float distribution = x < 0.0f ? tail : 1.0f - tail;
        return Gate{distribution, distribution + x * (bell * 0.398942280f)};
      }
      template <> __device__ __forceinline__ Gate gate<float>(float x) {
        return Gate{normalDistribution(x), geluSlope<float>(x)};
      }

      // Where a thread's vectors are in x.
      struct Place {
        long long value, gate;

        __device__ __forceinline__ Place(long long index, int columns) {
          long long row = index < 0x7fffffff ? (int)index / columns : index / columns;
          value = index + row * columns;
          gate = value + columns;
        }
      };

      // out = value · gate Φ(gate).
      extern "C" __global__ void __launch_bounds__(256) geglu(
          const Pack* __restrict__ x, Pack* __restrict__ out, long long count, int columns) {
        long long index = (long long)blockIdx.x * blockDim.x + threadIdx.x;
        if (index >= count) return;
        Place place(index, columns);
        Pack values = x[place.value], gates = x[place.gate], result;
        for (int j = 0; j < WIDTH; j++) {
          float g = widen(gates.at[j]);
          result.at[j] = narrow<T>(widen(values.at[j]) * (g * gate<T>(g).distribution));
        }
        out[index] = result;
      }

      // dvalue = gradient · gate Φ(gate), dgate = gradient · value · gelu'(gate).
      extern "C" __global__ void __launch_bounds__(256) gegluBackward(
          const Pack* __restrict__ x, const Pack* __restrict__ gradient, Pack* __restrict__ dx, int accumulate,
          long long count, int columns) {
        long long index = (long long)blockIdx.x * blockDim.x + threadIdx.x;
        if (index >= count) return;
        Place place(index, columns);
        Pack values = x[place.value], gates = x[place.gate], gradients = gradient[index], dvalues, dgates;
        if (accumulate) {
          dvalues = dx[place.value];
          dgates = dx[place.gate];
        }
        for (int j = 0; j < WIDTH; j++) {
          float g = widen(gates.at[j]), d = widen(gradients.at[j]);
          Gate unit = gate<T>(g);
          write(&dvalues.at[j], d * (g * unit.distribution), accumulate);
          write(&dgates.at[j], d * widen(values.at[j]) * unit.slope, accumulate);
        }
        dx[place.value] = dvalues;
        dx[place.gate] = dgates;
      }
      """#,
    variants: rowVectors)
}
