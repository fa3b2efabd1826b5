extension KernelSource {
  /// The derivatives of group normalisation. `T` is the type of everything but statistics and sums; `WIDTH` channels
  /// are a thread's share.
  static let groupNormBackward = KernelSource(
    name: "group norm backward",
    text: groupNormSlab + #"""
      constexpr int tileSize = sizeof(Vector<T, WIDTH>) == 16 ? 2 : 3;

      // With x̂ the normalised input and d the gradient by the result before SiLU, which is computed anew from x̂, the
      // derivatives are dβ = Σ d, dγ = Σ d x̂ and dx = (γ d - mean(γ d) - x̂ mean(γ d x̂)) / σ. Sums are pairs of those
      // of d (x) and d x̂ (y).
      struct Column {
        Affine affine;
        float2 first, last;  // [mean, 1/σ] of the groups of the first and of the last channel
        int boundary, silu;

        __device__ __forceinline__ Column(
            const T* __restrict__ gamma, const T* __restrict__ beta, const float2* __restrict__ statistics,
            const Slab& slab, int silu)
            : affine(gamma, beta, slab), boundary(slab.boundary), silu(silu) {
          first = statistics[slab.firstGroup + slab.groupOf(0)];
          last = statistics[slab.firstGroup + slab.groupOf(WIDTH - 1)];
        }

        __device__ __forceinline__ float scale(int channel) const { return channel < boundary ? first.y : last.y; }

        // x̂ and d of one element.
        __device__ __forceinline__ float2 derivative(int channel, T x, T gradient) const {
          float normalized = (widen(x) - (channel < boundary ? first.x : last.x)) * scale(channel);
          float d = widen(gradient);
          if (silu) {
            float y = normalized * widen(affine.gamma.at[channel]) + widen(affine.beta.at[channel]);
            d *= sigmoidUnitSlope<T>(y, 1.0f);
          }
          return float2{normalized, d};
        }
      };

      __device__ __forceinline__ void add(float2& sum, float x, float y) { sum.x += x; sum.y += y; }

      // Sums of channels: first of every thread, then folded until row 0 holds those of the block.
      typedef float2 ChannelSums[WIDTH][maximumThreads];

      __device__ __forceinline__ float2 sumOfChannel(const ChannelSums& sums, int channel) {
        return sums[channel % WIDTH][channel / WIDTH];
      }

      // Row r of `kept` lanes takes up rows r + kept, r + 2 kept, … of `lanes`; only the thread that writes a row reads
      // it.
      __device__ __forceinline__ void fold(ChannelSums& sums, const Slab& slab, int lanes, int kept) {
        for (int item = threadIdx.x; item < kept * slab.channels; item += blockDim.x) {
          int row = item / slab.channels, rest = item - row * slab.channels;
          int j = rest / slab.columns, column = rest - j * slab.columns;
          float2 sum = {0.0f, 0.0f};
          for (int lane = row; lane < lanes; lane += kept) {
            float2 part = sums[j][lane * slab.columns + column];
            add(sum, part.x, part.y);
          }
          sums[j][row * slab.columns + column] = sum;
        }
        __syncthreads();
      }

      // Leaves the sums of every channel of the slab over the pixels of this block in `sums`.
      __device__ __forceinline__ void blockSums(
          const T* __restrict__ x, const T* __restrict__ gradient, const Column& column, const Slab& slab, int channels,
          ChannelSums& sums) {
        float2 sum[WIDTH];
        for (int j = 0; j < WIDTH; j++) sum[j] = float2{0.0f, 0.0f};
        for (int pixel = slab.firstPixel; pixel < slab.endPixel; pixel += tileSize * slab.lanes) {
          Tile<tileSize> inputs, gradients;
          inputs.load(x, slab, channels, pixel);
          gradients.load(gradient, slab, channels, pixel);
          #pragma unroll
          for (int i = 0; i < tileSize; i++) {
            if (pixel + i * slab.lanes >= slab.endPixel) continue;
            for (int j = 0; j < WIDTH; j++) {
              float2 hatAndD = column.derivative(j, inputs.at[i].at[j], gradients.at[i].at[j]);
              add(sum[j], hatAndD.y, hatAndD.y * hatAndD.x);
            }
          }
        }
        for (int j = 0; j < WIDTH; j++) sums[j][threadIdx.x] = sum[j];
        __syncthreads();
        int kept = min(max((int)blockDim.x / slab.channels, 1), slab.lanes);
        fold(sums, slab, slab.lanes, kept);
        if (kept > 1) fold(sums, slab, kept, 1);
      }

      // Writes the sums of the slab's channels; `partial` is a row of all channels of a picture.
      __device__ __forceinline__ void storeChannelSums(const ChannelSums& sums, const Slab& slab, float2* partial) {
        for (int channel = threadIdx.x; channel < slab.channels; channel += blockDim.x)
          partial[slab.firstChannel + channel] = sumOfChannel(sums, channel);
      }

      // Calls `store(group, sums)`, in one thread, with the sums of γ d and γ d x̂ of every group of the slab.
      template <typename Store>
      __device__ __forceinline__ void groupSums(
          const ChannelSums& sums, const T* __restrict__ gamma, const Slab& slab, Store store) {
        for (int group = threadIdx.x >> 5; group < slab.groups; group += blockDim.x >> 5) {
          float2 total = {0.0f, 0.0f};
          for (int i = threadIdx.x & 31; i < slab.channelsPerGroup; i += 32) {
            int channel = group * slab.channelsPerGroup + i;
            float2 sum = sumOfChannel(sums, channel);
            float weight = widen(gamma[slab.firstChannel + channel]);
            add(total, weight * sum.x, weight * sum.y);
          }
          total = float2{warpSum(total.x), warpSum(total.y)};
          if ((threadIdx.x & 31) == 0) store(group, total);
        }
      }

      // Writes dx of this block's pixels. `means` are those of γ d and γ d x̂ over each group of the slab; the tiles hold
      // the first pixels.
      __device__ __forceinline__ void differentiate(
          const T* __restrict__ x, const T* __restrict__ gradient, const Column& column, const float2* means,
          T* __restrict__ dx, int accumulate, Tile<tileSize>& inputs, Tile<tileSize>& gradients, const Slab& slab,
          int channels) {
        if (slab.firstPixel >= slab.endPixel) return;
        float2 first = means[slab.groupOf(0)], last = means[slab.groupOf(WIDTH - 1)];
        for (int pixel = slab.firstPixel; pixel < slab.endPixel;) {
          #pragma unroll
          for (int i = 0; i < tileSize; i++, pixel += slab.lanes) {
            if (pixel >= slab.endPixel) continue;
            Vector<T, WIDTH>* place = (Vector<T, WIDTH>*)(dx + slab.offset + (long long)pixel * channels);
            Vector<T, WIDTH> result;
            if (accumulate) result = *place;
            for (int j = 0; j < WIDTH; j++) {
              float2 hatAndD = column.derivative(j, inputs.at[i].at[j], gradients.at[i].at[j]);
              float2 mean = j < slab.boundary ? first : last;
              float weighted = widen(column.affine.gamma.at[j]) * hatAndD.y;
              write(&result.at[j], column.scale(j) * ((weighted - mean.x) - hatAndD.x * mean.y), accumulate);
            }
            *place = result;
          }
          inputs.load(x, slab, channels, pixel);
          gradients.load(gradient, slab, channels, pixel);
        }
      }

      // The sums over one chunk of pixels: of channels, [pictures, chunks, channels], and, weighted with γ, of groups,
      // [pictures, groups, chunks]. Either may be null.
      extern "C" __global__ void __launch_bounds__(maximumThreads, 2) groupNormBackwardSums(
          const T* __restrict__ x, const T* __restrict__ gradient, const T* __restrict__ gamma,
          const T* __restrict__ beta, const float2* __restrict__ statistics, float2* __restrict__ channelPartial,
          float2* __restrict__ groupPartial, int area, int channels, int channelsPerGroup, int pixelsPerChunk,
          int silu) {
        __shared__ ChannelSums sums;
        Slab slab(area, channels, channelsPerGroup, pixelsPerChunk);
        blockSums(x, gradient, Column(gamma, beta, statistics, slab, silu), slab, channels, sums);
        if (channelPartial)
          storeChannelSums(
              sums, slab, channelPartial + (long long)(blockIdx.z * gridDim.x + blockIdx.x) * channels);
        if (!groupPartial) return;
        groupSums(sums, gamma, slab, [&](int group, float2 total) {
          groupPartial[(long long)(slab.firstGroup + group) * gridDim.x + blockIdx.x] = total;
        });
      }

      // Adds up the group sums of all chunks and writes dx of one. The first loads do not wait for the sums.
      extern "C" __global__ void __launch_bounds__(maximumThreads, 2) groupNormBackwardApply(
          const T* __restrict__ x, const T* __restrict__ gradient, const T* __restrict__ gamma,
          const T* __restrict__ beta, const float2* __restrict__ statistics, const float2* __restrict__ groupPartial,
          T* __restrict__ dx, int accumulate, int area, int channels, int channelsPerGroup, int pixelsPerChunk,
          int silu) {
        __shared__ float2 means[maximumThreads];
        Slab slab(area, channels, channelsPerGroup, pixelsPerChunk);
        Column column(gamma, beta, statistics, slab, silu);
        Tile<tileSize> inputs, gradients;
        inputs.load(x, slab, channels, slab.firstPixel);
        gradients.load(gradient, slab, channels, slab.firstPixel);
        float elements = (float)area * channelsPerGroup;
        for (int group = threadIdx.x >> 5; group < slab.groups; group += blockDim.x >> 5) {
          const float2* chunks = groupPartial + (long long)(slab.firstGroup + group) * gridDim.x;
          float2 total = {0.0f, 0.0f};
          for (int chunk = threadIdx.x & 31; chunk < (int)gridDim.x; chunk += 32)
            add(total, chunks[chunk].x, chunks[chunk].y);
          total = float2{warpSum(total.x), warpSum(total.y)};
          if ((threadIdx.x & 31) == 0) means[group] = float2{total.x / elements, total.y / elements};
        }
        __syncthreads();
        differentiate(x, gradient, column, means, dx, accumulate, inputs, gradients, slab, channels);
      }

      // Both at once for pictures so small that a block holds all pixels of its slab; it reads them again from the L1
      // cache. `channelPartial`, [pictures, channels], and `dx` may be null.
      extern "C" __global__ void __launch_bounds__(maximumThreads, 2) groupNormBackwardWhole(
          const T* __restrict__ x, const T* __restrict__ gradient, const T* __restrict__ gamma,
          const T* __restrict__ beta, const float2* __restrict__ statistics, float2* __restrict__ channelPartial,
          T* __restrict__ dx, int accumulate, int area, int channels, int channelsPerGroup, int silu) {
        __shared__ ChannelSums sums;
        __shared__ float2 means[maximumThreads];
        Slab slab(area, channels, channelsPerGroup, area);
        Column column(gamma, beta, statistics, slab, silu);
        blockSums(x, gradient, column, slab, channels, sums);
        if (channelPartial) storeChannelSums(sums, slab, channelPartial + (long long)blockIdx.z * channels);
        if (!dx) return;
        float elements = (float)area * channelsPerGroup;
        groupSums(sums, gamma, slab, [&](int group, float2 total) {
          means[group] = float2{total.x / elements, total.y / elements};
        });
        __syncthreads();
        Tile<tileSize> inputs, gradients;
        inputs.load(x, slab, channels, slab.firstPixel);
        gradients.load(gradient, slab, channels, slab.firstPixel);
        differentiate(x, gradient, column, means, dx, accumulate, inputs, gradients, slab, channels);
      }
      """#,
    variants: channelVectors { _ in [4, 1] })
}
