import Images
import TestSupport
import Testing

@Suite struct ResizingTests {
  @Test(arguments: ResamplingFilter.allCases)
  func resizesLikePIL(filter: ResamplingFilter) throws {
    let golden = try Fixtures.golden("resizing")
    let source = try golden.image("source")
    let names = golden.names.filter { $0.hasPrefix("\(filter.rawValue).") }
    #expect(names.count == 15)
    for name in names {
      let expected = try golden.image(name)
      let image = source.resized(width: expected.width, height: expected.height, filter: filter)
      #expect(largestDifference(image, expected) == 0, "\(name)")
    }
  }

  /// The sizes that torchvision 0.28's `Resize` gives: the long side is cut, not rounded.
  @Test(arguments: [
    (1000, 667, 512, 767, 512), (667, 1000, 512, 512, 767), (37, 22, 16, 26, 16), (33, 20, 19, 31, 19),
    (3000, 4001, 511, 511, 681), (512, 512, 512, 512, 512),
  ])
  func resizesTheShortSide(width: Int, height: Int, shortSide: Int, newWidth: Int, newHeight: Int) {
    let size = Image(width: width, height: height, color: .white).size(shortSide: shortSide)
    #expect(size.width == newWidth && size.height == newHeight)
  }

  @Test func resizesToTheShortSideWithBilinearByDefault() throws {
    let source = try Fixtures.golden("resizing").image("source")
    #expect(source.resized(shortSide: 9) == source.resized(width: 13, height: 9, filter: .bilinear))
  }

  @Test(arguments: ResamplingFilter.allCases)
  func keepsFlatColorsFlat(filter: ResamplingFilter) {
    let color = Color(red: 3, green: 128, blue: 255)
    let image = Image(width: 50, height: 31, color: color)
    #expect(image.resized(width: 17, height: 71, filter: filter) == Image(width: 17, height: 71, color: color))
  }
}
