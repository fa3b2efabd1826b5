extension KernelSource {
  /// How the kernels of group normalisation divide their work; stands before their code.
  static let groupNormSlab = #"""
    // A block works on a chunk of one picture's pixels and on a slab of its channels, which consists of whole groups.
    // Grids are [chunks, slabs, pictures]. Neighbouring threads hold neighbouring columns, vectors of WIDTH channels,
    // and as many lanes of them as fit take turns with the pixels. A group has at least WIDTH channels, so that a column meets at
    // most two groups: its first `boundary` channels are of one, the others of the next.
    constexpr int maximumThreads = 384;
    struct Slab {
      int channelsPerGroup;  // of the slab, as `groups`, `columns` and `channels`
      int groups, columns, channels;
      int lanes;             // the pixels that the threads hold at a time
      int firstGroup;        // counted through all pictures
      int firstChannel;      // of the slab, in its picture
      int column, lane;      // of this thread
      int group, boundary;   // of this thread's column; the group is counted in the slab
      int firstPixel, endPixel;
      long long offset;      // of the picture's first pixel and this thread's first channel

      __device__ __forceinline__ Slab(int area, int allChannels, int channelsPerGroup, int pixelsPerChunk)
          : channelsPerGroup(channelsPerGroup) {
        channels = allChannels / (int)gridDim.y;
        groups = channels / channelsPerGroup;
        columns = channels / WIDTH;
        lanes = blockDim.x / columns;
        firstGroup = (blockIdx.z * gridDim.y + blockIdx.y) * groups;
        firstChannel = blockIdx.y * channels;
        lane = threadIdx.x / columns;
        column = threadIdx.x - lane * columns;
        group = column * WIDTH / channelsPerGroup;
        boundary = min((group + 1) * channelsPerGroup - column * WIDTH, WIDTH);
        int chunkStart = blockIdx.x * pixelsPerChunk;
        firstPixel = chunkStart + lane;
        endPixel = lane < lanes ? min(chunkStart + pixelsPerChunk, area) : 0;
        offset = (long long)blockIdx.z * area * allChannels + firstChannel + column * WIDTH;
      }

      // The group of a channel of this thread's column, counted in the slab.
      __device__ __forceinline__ int groupOf(int channel) const { return group + (channel >= boundary); }
    };

    // The scales and shifts of a thread's column.
    struct Affine {
      Vector<T, WIDTH> gamma, beta;

      __device__ __forceinline__ Affine(
          const T* __restrict__ gammas, const T* __restrict__ betas, const Slab& slab) {
        int channel = slab.firstChannel + slab.column * WIDTH;
        gamma = *(const Vector<T, WIDTH>*)(gammas + channel);
        beta = *(const Vector<T, WIDTH>*)(betas + channel);
      }
    };

    // What a thread loads at once of its column: COUNT pixels, `lanes` apart.
    template <int COUNT> struct Tile {
      Vector<T, WIDTH> at[COUNT];

      __device__ __forceinline__ void load(const T* __restrict__ x, const Slab& slab, int channels, int pixel) {
        #pragma unroll
        for (int i = 0; i < COUNT; i++, pixel += slab.lanes)
          if (pixel < slab.endPixel)
            at[i] = *(const Vector<T, WIDTH>*)(x + slab.offset + (long long)pixel * channels);
      }
    };

    """#

  /// Every floating-point type with the channels that a thread may take at once.
  static func channelVectors(_ widths: (DType) -> [Int]) -> [[KernelMacro]] {
    DType.floatingPoint.flatMap { dtype in
      widths(dtype).map { [KernelMacro("T", dtype), KernelMacro("WIDTH", String($0))] }
    }
  }
}
