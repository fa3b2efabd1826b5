extension KernelSource {
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
