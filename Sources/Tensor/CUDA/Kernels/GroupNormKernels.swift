extension KernelSource {
  /// Group normalisation. `T` is the type of everything but the statistics; `WIDTH` channels are a thread's share.
  static let groupNorm = KernelSource(
    name: "group norm",
    text: groupNormSlab + #"""
      constexpr int tileSize = sizeof(Vector<T, WIDTH>) == 16 ? 3 : 6;

      // The number of elements, their mean and the sum of their squared distances from it.
      struct Moments { float count, mean, deviations; };

      // The moments of the union of `count` sets, by a warp. `part` gives those of one set.
      template <typename Part> __device__ __forceinline__ Moments combine(int count, Part part) {
        float elements = 0.0f, total = 0.0f, deviations = 0.0f;
        for (int i = threadIdx.x & 31; i < count; i += 32) {
          Moments set = part(i);
          elements += set.count;
          total += set.count * set.mean;
        }
        elements = warpSum(elements);
        float mean = warpSum(total) / elements;
        for (int i = threadIdx.x & 31; i < count; i += 32) {
          Moments set = part(i);
          float distance = set.mean - mean;
          deviations += set.deviations + set.count * distance * distance;
        }
        return Moments{elements, mean, warpSum(deviations)};
      }

      // Moments from the sums of x - pivot and of its square. With one of the elements as pivot nothing cancels that
      // matters, however far the mean is from zero.
      __device__ __forceinline__ Moments momentsFromSums(float count, float pivot, float sum, float squares) {
        if (count == 0.0f) return Moments{0.0f, 0.0f, 0.0f};
        float shift = sum / count;
        return Moments{count, pivot + shift, fmaxf(squares - sum * shift, 0.0f)};
      }

      // This thread's share of the moments: those of its column's first group and those of its second.
      __device__ __forceinline__ void threadMoments(
          const T* __restrict__ x, const Slab& slab, int channels, Moments& first, Moments& second) {
        float pivot[WIDTH], sum[WIDTH], squares[WIDTH];
        for (int j = 0; j < WIDTH; j++) pivot[j] = sum[j] = squares[j] = 0.0f;
        if (slab.firstPixel < slab.endPixel) {
          Tile<1> member;
          member.load(x, slab, channels, slab.firstPixel);
          float firstPivot = widen(member.at[0].at[0]), secondPivot = widen(member.at[0].at[WIDTH - 1]);
          for (int j = 0; j < WIDTH; j++) pivot[j] = j < slab.boundary ? firstPivot : secondPivot;
        }
        int pixels = 0;
        for (int pixel = slab.firstPixel; pixel < slab.endPixel; pixel += tileSize * slab.lanes) {
          Tile<tileSize> tile;
          tile.load(x, slab, channels, pixel);
          #pragma unroll
          for (int i = 0; i < tileSize; i++) {
            if (pixel + i * slab.lanes >= slab.endPixel) continue;
            pixels++;
            for (int j = 0; j < WIDTH; j++) {
              float distance = widen(tile.at[i].at[j]) - pivot[j];
              sum[j] += distance;
              squares[j] += distance * distance;
            }
          }
        }
        float firstSum = 0.0f, firstSquares = 0.0f, secondSum = 0.0f, secondSquares = 0.0f;
        for (int j = 0; j < WIDTH; j++) {
          bool isFirst = j < slab.boundary;
          firstSum += isFirst ? sum[j] : 0.0f;
          firstSquares += isFirst ? squares[j] : 0.0f;
          secondSum += isFirst ? 0.0f : sum[j];
          secondSquares += isFirst ? 0.0f : squares[j];
        }
        first = momentsFromSums(pixels * slab.boundary, pivot[0], firstSum, firstSquares);
        second = momentsFromSums(pixels * (WIDTH - slab.boundary), pivot[WIDTH - 1], secondSum, secondSquares);
      }

      // Calls `store(group, moments)`, in one thread, for every group of the slab over the pixels of this block.
      template <typename Store>
      __device__ __forceinline__ void blockMoments(
          const T* __restrict__ x, const Slab& slab, int channels, Store store) {
        __shared__ Moments parts[2][maximumThreads];
        threadMoments(x, slab, channels, parts[0][threadIdx.x], parts[1][threadIdx.x]);
        __syncthreads();
        for (int group = threadIdx.x >> 5; group < slab.groups; group += blockDim.x >> 5) {
          int start = group * slab.channelsPerGroup;
          int firstColumn = start / WIDTH;
          int columns = (start + slab.channelsPerGroup - 1) / WIDTH + 1 - firstColumn;
          Moments moments = combine(columns * slab.lanes, [&](int i) {
            int lane = i / columns, column = firstColumn + i - lane * columns;
            return parts[column * WIDTH < start][lane * slab.columns + column];
          });
          if ((threadIdx.x & 31) == 0) store(group, moments);
        }
      }

      // The mean and 1/σ.
      __device__ __forceinline__ float2 finish(Moments moments, float epsilon) {
        return float2{moments.mean, 1.0f / sqrtf(moments.deviations / moments.count + epsilon)};
      }

      // Normalises the pixels of this block with the statistics of the slab's groups. `tile` holds the first pixels.
      __device__ __forceinline__ void normalize(
          const T* __restrict__ x, const Affine& affine, const float2* statistics, T* __restrict__ out,
          Tile<tileSize>& tile, const Slab& slab, int channels, int silu) {
        if (slab.firstPixel >= slab.endPixel) return;
        float scale[WIDTH], shift[WIDTH];
        float2 first = statistics[slab.groupOf(0)], last = statistics[slab.groupOf(WIDTH - 1)];
        for (int j = 0; j < WIDTH; j++) {
          scale[j] = (j < slab.boundary ? first.y : last.y) * widen(affine.gamma.at[j]);
          shift[j] = widen(affine.beta.at[j]);
        }
        for (int pixel = slab.firstPixel; pixel < slab.endPixel;) {
          #pragma unroll
          for (int i = 0; i < tileSize; i++, pixel += slab.lanes) {
            if (pixel >= slab.endPixel) continue;
            Vector<T, WIDTH> result;
            for (int j = 0; j < WIDTH; j++) {
              float mean = j < slab.boundary ? first.x : last.x;
              float y = (widen(tile.at[i].at[j]) - mean) * scale[j] + shift[j];
              result.at[j] = narrow<T>(silu ? y * sigmoid<T>(y) : y);
            }
            *(Vector<T, WIDTH>*)(out + slab.offset + (long long)pixel * channels) = result;
          }
          tile.load(x, slab, channels, pixel);
        }
      }

      // The mean and the squared deviations of every group over one chunk of pixels, [pictures, groups, chunks].
      extern "C" __global__ void __launch_bounds__(maximumThreads, 2) groupNormMoments(
          const T* __restrict__ x, float2* __restrict__ partial, int area, int channels, int channelsPerGroup,
          int pixelsPerChunk) {
        Slab slab(area, channels, channelsPerGroup, pixelsPerChunk);
        blockMoments(x, slab, channels, [&](int group, Moments moments) {
          partial[(long long)(slab.firstGroup + group) * gridDim.x + blockIdx.x] =
              float2{moments.mean, moments.deviations};
        });
      }

      // Combines the moments of all chunks and normalises one. The first loads do not wait for the moments.
      extern "C" __global__ void __launch_bounds__(maximumThreads, 2) groupNormApply(
          const T* __restrict__ x, const T* __restrict__ gamma, const T* __restrict__ beta,
          const float2* __restrict__ partial, T* __restrict__ out, float2* __restrict__ statistics, int area,
          int channels, int channelsPerGroup, int pixelsPerChunk, float epsilon, int silu) {
        __shared__ float2 slabStatistics[maximumThreads];
        Slab slab(area, channels, channelsPerGroup, pixelsPerChunk);
        Affine affine(gamma, beta, slab);
        Tile<tileSize> tile;
        tile.load(x, slab, channels, slab.firstPixel);
        for (int group = threadIdx.x >> 5; group < slab.groups; group += blockDim.x >> 5) {
          const float2* chunks = partial + (long long)(slab.firstGroup + group) * gridDim.x;
          Moments moments = combine(gridDim.x, [&](int chunk) {
            int pixels = min(pixelsPerChunk, area - chunk * pixelsPerChunk);
            float2 part = chunks[chunk];
            return Moments{(float)pixels * channelsPerGroup, part.x, part.y};
          });
          if ((threadIdx.x & 31) != 0) continue;
          slabStatistics[group] = finish(moments, epsilon);
          if (blockIdx.x == 0) statistics[slab.firstGroup + group] = slabStatistics[group];
        }
        __syncthreads();
        normalize(x, affine, slabStatistics, out, tile, slab, channels, silu);
      }

      // Both at once for pictures so small that a block holds all pixels of its slab; it reads them again from the L1
      // cache.
      extern "C" __global__ void __launch_bounds__(maximumThreads, 2) groupNormWhole(
          const T* __restrict__ x, const T* __restrict__ gamma, const T* __restrict__ beta, T* __restrict__ out,
          float2* __restrict__ statistics, int area, int channels, int channelsPerGroup, float epsilon, int silu) {
        __shared__ float2 slabStatistics[maximumThreads];
        Slab slab(area, channels, channelsPerGroup, area);
        Affine affine(gamma, beta, slab);
        blockMoments(x, slab, channels, [&](int group, Moments moments) {
          slabStatistics[group] = finish(moments, epsilon);
          statistics[slab.firstGroup + group] = slabStatistics[group];
        });
        __syncthreads();
        Tile<tileSize> tile;
        tile.load(x, slab, channels, slab.firstPixel);
        normalize(x, affine, slabStatistics, out, tile, slab, channels, silu);
      }
      """#,
    variants: channelVectors { $0 == .float32 ? [4, 1] : [8, 4, 1] })
}
