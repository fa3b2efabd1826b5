extension KernelSource {
  /// The last step to the derivatives of normalisations by gamma and beta, which are of type `G`.
  static let normalizationGradients = KernelSource(
    name: "normalization gradients",
    text: #"""
      constexpr int columnsPerBlock = 32, lanes = 32;

      // Adds up the rows of `partial`, [rows, channels], whose pairs are sums of d (x) and of d x̂ (y). A warp reads 32
      // neighbouring channels of one row, and 32 warps take turns with the rows. Either result may be null.
      extern "C" __global__ void __launch_bounds__(columnsPerBlock * lanes) normalizationGradients(
          const float2* __restrict__ partial, int rows, int channels, G* __restrict__ dgamma, int accumulateGamma,
          G* __restrict__ dbeta, int accumulateBeta) {
        __shared__ float2 sums[lanes][columnsPerBlock];
        int column = threadIdx.x % columnsPerBlock, lane = threadIdx.x / columnsPerBlock;
        int channel = blockIdx.x * columnsPerBlock + column;
        float2 sum = {0.0f, 0.0f};
        if (channel < channels) {
          #pragma unroll 8
          for (int row = lane; row < rows; row += lanes) {
            float2 part = partial[(long long)row * channels + channel];
            sum.x += part.x;
            sum.y += part.y;
          }
        }
        sums[lane][column] = sum;
        for (int kept = lanes / 2; kept > 0; kept /= 2) {
          __syncthreads();
          if (lane >= kept) continue;
          sums[lane][column].x += sums[lane + kept][column].x;
          sums[lane][column].y += sums[lane + kept][column].y;
        }
        if (lane > 0 || channel >= channels) return;
        if (dbeta) write(dbeta + channel, sums[0][column].x, accumulateBeta);
        if (dgamma) write(dgamma + channel, sums[0][column].y, accumulateGamma);
      }
      """#,
    variants: DType.floatingPoint.map { [KernelMacro("G", $0)] })
}
