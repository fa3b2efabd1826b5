import Foundation
import Images
import TestSupport
import Testing

@Suite struct DecodingTests {
  @Test func decodesEveryKindOfFileLikePIL() throws {
    let golden = try Fixtures.golden("images")
    #expect(golden.names.count == 58)
    for name in golden.names {
      let image = try Image(contentsOf: Fixtures.picture(name))
      let expected = try golden.image(name)
      // libjpeg-turbo's integer transform gives the same bytes in every version, with and without SIMD.
      #expect(largestDifference(image, expected) == 0, "\(name)")
    }
  }

  @Test func compositesOnTheChosenBackground() throws {
    let background = Color(red: 10, green: 200, blue: 30)
    let onWhite = try Image(contentsOf: Fixtures.picture("rgba8.png"))
    let onGreen = try Image(contentsOf: Fixtures.picture("rgba8.png"), background: background)
    // Columns 3 to 8 are transparent in rows 2 to 5 and opaque in rows 8 to 10.
    #expect(onWhite[4, 3] == .white)
    #expect(onGreen[4, 3] == background)
    #expect(onWhite[4, 9] == onGreen[4, 9])
  }

  @Test(arguments: Orientation.allCases)
  func turnsPicturesUpright(orientation: Orientation) throws {
    // 1 2 3
    // 4 5 6
    let stored = Image(width: 3, height: 2, pixels: (1...6).flatMap { [$0, $0, $0] })
    let expected: [Orientation: [UInt8]] = [
      .upright: [1, 2, 3, 4, 5, 6], .flipHorizontally: [3, 2, 1, 6, 5, 4], .rotateHalf: [6, 5, 4, 3, 2, 1],
      .flipVertically: [4, 5, 6, 1, 2, 3], .transpose: [1, 4, 2, 5, 3, 6], .rotateClockwise: [4, 1, 5, 2, 6, 3],
      .transverse: [6, 3, 5, 2, 4, 1], .rotateCounterclockwise: [3, 6, 2, 5, 1, 4],
    ]
    let upright = stored.upright(from: orientation)
    #expect(upright.width == (orientation.rawValue < 5 ? 3 : 2))
    #expect(upright.pixels == expected[orientation]!.flatMap { [$0, $0, $0] })
  }

  @Test func ignoresMeaninglessOrientations() {
    let tiff: [UInt8] = [0x49, 0x49, 0x2A, 0, 8, 0, 0, 0]
    let entry: [UInt8] = [1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0]
    #expect(Orientation(exif: tiff + entry + [6, 0, 0, 0]) == .rotateClockwise)
    #expect(Orientation(exif: tiff + entry + [9, 0, 0, 0]) == .upright)
    #expect(Orientation(exif: tiff + entry + [6]) == .upright)
    #expect(Orientation(exif: tiff.dropLast(4) + [0xFF, 0xFF, 0xFF, 0xFF]) == .upright)
    #expect(Orientation(exif: []) == .upright)
  }

  @Test func knowsFormatsByTheirFirstBytes() throws {
    let expected: [String: ImageFormat?] = [
      "rgb8.png": .png, "cmyk.jpg": .jpeg, "picture.gif": .gif, "picture.bmp": .bmp, "picture.webp": .webP,
      "picture.tiff": .tiff, "notes.png": nil, "empty.jpg": nil,
    ]
    for (name, format) in expected {
      #expect(try ImageFormat(contentsOf: Fixtures.picture(name)) == format, "\(name)")
    }
    #expect(ImageFormat(startingWith: [0, 0, 0, 24] + Array("ftypheic".utf8)) == .heif)
    #expect(ImageFormat(startingWith: [0, 0, 0, 24] + Array("ftypavif".utf8)) == .avif)
    #expect(ImageFormat(startingWith: Array("P6 8 8 255".utf8)) == .portableAnymap)
    #expect(ImageFormat(startingWith: Array("Pages".utf8)) == nil)
  }
}
