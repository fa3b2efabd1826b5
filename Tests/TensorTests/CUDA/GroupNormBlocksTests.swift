import Testing

@testable import Tensor

/// The division of group normalisation into blocks, for extents of networks and for awkward ones.
@Suite struct GroupNormBlocksTests {
  private static let extents: [(Shape, groups: Int)] = [
    ([2, 64, 64, 320], 32), ([8, 64, 64, 640], 32), ([2, 64, 64, 960], 32), ([2, 32, 32, 1920], 32),
    ([2, 16, 16, 2560], 32), ([8, 8, 8, 1280], 32), ([1, 512, 512, 128], 32), ([1, 256, 256, 512], 32),
    ([1, 1, 1, 1], 1), ([1, 1, 1, 4], 4), ([300, 2, 2, 24], 2), ([1, 17, 19, 21], 7), ([2, 24, 24, 40], 8),
    ([1, 100, 100, 384], 1), ([1, 50, 50, 802], 401), ([1, 3000, 1, 762], 2), ([0, 4, 4, 8], 2),
  ]

  @Test(arguments: extents, [24 << 10, 0])
  func blocksCoverTheTensorInWholeGroups(_ extents: (Shape, groups: Int), wholeLimit: Int) {
    let (shape, groups) = extents
    let spec = GroupNormalization(groups: groups, epsilon: 1e-5)
    for (widths, isAligned) in [([8, 4], true), ([4], true), ([8, 4], false)] {
      let blocks = GroupNormBlocks(
        shape, spec, dtype: .bfloat16, widths: widths, isAligned: isAligned, wholeLimit: wholeLimit)
      let slab = blocks.channels / blocks.slabs
      #expect(slab * blocks.slabs == shape[3])
      #expect(slab.isMultiple(of: blocks.channelsPerGroup) && slab.isMultiple(of: blocks.width))
      #expect(blocks.channelsPerGroup >= blocks.width, "a vector meets two groups at most")
      #expect(blocks.width == 1 || isAligned)
      #expect(blocks.threads.isMultiple(of: 32) && blocks.threads >= slab / blocks.width && blocks.threads <= 384)
      let area = shape[1] * shape[2]
      #expect(blocks.chunks * blocks.pixelsPerChunk >= area)
      #expect((blocks.chunks - 1) * blocks.pixelsPerChunk < area, "no chunk is empty")
    }
  }

  @Test func vectorsAreAsWideAsGroupsAllow() {
    func width(_ channels: Int, _ groups: Int) -> Int {
      GroupNormBlocks(
        [1, 8, 8, channels], GroupNormalization(groups: groups, epsilon: 1e-5), dtype: .bfloat16, widths: [8, 4],
        isAligned: true, wholeLimit: 0
      ).width
    }
    #expect(width(320, 32) == 8)
    #expect(width(128, 32) == 4)
    #expect(width(20, 2) == 4)
    #expect(width(96, 32) == 1)
  }
}
