import Images
import TestSupport
import Testing

@Suite struct PixelTests {
  /// A picture whose every byte tells where it stands.
  let numbered = Image(width: 4, height: 3, pixels: Array(0..<36))

  @Test func normalizesLikeTorchvision() throws {
    let expected = try Fixtures.golden("resizing").floats("normalized")
    let image = Image(width: 256, height: 1, pixels: (0..<256).flatMap { [UInt8($0), 0, UInt8(255 - $0)] })
    let planar = image.normalized(.planar)
    #expect(Array(planar[..<256]) == expected)
    #expect(planar[256..<512].allSatisfy { $0 == -1 })
    #expect(Array(planar[512...]) == expected.reversed())
    let interleaved = image.normalized(.interleaved)
    #expect((0..<256).map { interleaved[3 * $0] } == expected)
  }

  @Test func makesTheSameBytesAsDiffusers() throws {
    let golden = try Fixtures.golden("resizing")
    let expected = try golden.image("postprocess.output")
    let image = Image(
      width: expected.width, height: 1, normalized: try golden.floats("postprocess.input"), layout: .planar)
    #expect(image == expected)
    #expect(Image(width: 1, height: 1, normalized: [.nan, 2, -2], layout: .interleaved).pixels == [0, 255, 0])
  }

  @Test(arguments: [PixelLayout.planar, .interleaved])
  func normalizedPixelsComeBack(layout: PixelLayout) {
    let image = Image(width: 16, height: 16, pixels: (0..<768).map { UInt8(($0 * 37) % 256) })
    #expect(Image(width: 16, height: 16, normalized: image.normalized(layout), layout: layout) == image)
  }

  @Test func crops() {
    let part = numbered.cropped(x: 1, y: 1, width: 2, height: 2)
    #expect(part.pixels == [15, 16, 17, 18, 19, 20, 27, 28, 29, 30, 31, 32])
    #expect(numbered.cropped(x: 0, y: 0, width: 4, height: 3) == numbered)
  }

  @Test func refusesToCropOutside() async {
    await #expect(processExitsWith: .failure) {
      _ = Image(width: 4, height: 3, color: .white).cropped(x: 3, y: 0, width: 2, height: 1)
    }
  }

  /// torchvision's `CenterCrop` takes half the margin, ties to even: 1, 3, 5 and 7 pixels give 0, 2, 2 and 4.
  @Test(arguments: [(10, 10, 0), (11, 10, 0), (12, 10, 1), (13, 10, 2), (15, 10, 2), (17, 10, 4)])
  func cropsTheCenterLikeTorchvision(size: Int, crop: Int, offset: Int) {
    let image = Image(width: size, height: size, pixels: (0..<size * size * 3).map { UInt8($0 % 251) })
    #expect(
      image.centerCropped(width: crop, height: crop)
        == image.cropped(x: offset, y: offset, width: crop, height: crop))
  }

  @Test func flips() {
    let flipped = numbered.flippedHorizontally()
    #expect(flipped.pixels[..<12] == [9, 10, 11, 6, 7, 8, 3, 4, 5, 0, 1, 2])
    #expect(flipped.flippedHorizontally() == numbered)
  }

  @Test func pastes() {
    var canvas = Image(width: 6, height: 5, color: .black)
    canvas.paste(numbered, x: 2, y: 1)
    #expect(canvas.cropped(x: 2, y: 1, width: 4, height: 3) == numbered)
    #expect(canvas[1, 1] == .black && canvas[5, 4] == .black && canvas[2, 0] == .black)
  }

  @Test func laysOutContactSheets() {
    let small = Image(width: 2, height: 1, color: Color(red: 1, green: 2, blue: 3))
    let sheet = Image.contactSheet([numbered, small, numbered], columns: 2, gap: 1)
    #expect(sheet.width == 11 && sheet.height == 9)
    #expect(sheet.cropped(x: 1, y: 1, width: 4, height: 3) == numbered)
    #expect(sheet.cropped(x: 7, y: 2, width: 2, height: 1) == small)
    #expect(sheet.cropped(x: 1, y: 5, width: 4, height: 3) == numbered)
    #expect(sheet[6, 2] == .white && sheet[9, 2] == .white && sheet[0, 0] == .white && sheet[10, 8] == .white)
  }
}
