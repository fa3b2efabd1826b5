import Foundation
import Glibc
import Images
import TestSupport
import Testing

@Suite struct BrokenFileTests {
  @Test func namesTheFileAndWhatIsWrong() throws {
    let expected: [(name: String, error: (String) -> ImageError)] = [
      ("truncated-half.png", { .truncated(file: $0, format: .png) }),
      ("truncated-half.interlaced.png", { .truncated(file: $0, format: .png) }),
      ("truncated-half.jpg", { .truncated(file: $0, format: .jpeg) }),
      ("truncated-half.progressive.jpg", { .truncated(file: $0, format: .jpeg) }),
      ("truncated-end.png", { .truncated(file: $0, format: .png) }),
      ("truncated-end.interlaced.png", { .truncated(file: $0, format: .png) }),
      ("truncated-end.jpg", { .truncated(file: $0, format: .jpeg) }),
      ("truncated-end.progressive.jpg", { .truncated(file: $0, format: .jpeg) }),
      ("truncated-header.png", { .truncated(file: $0, format: .png) }),
      ("truncated-header.jpg", { .truncated(file: $0, format: .jpeg) }),
      ("corrupt-data.png", { .corrupt(file: $0, format: .png, reason: "IDAT: incorrect data check") }),
      (
        "corrupt-data.jpg",
        { .corrupt(file: $0, format: .jpeg, reason: "Corrupt JPEG data: premature end of data segment") }
      ),
      (
        "bomb.png",
        { .tooLarge(file: $0, width: 2_147_483_647, height: 2_147_483_647, maximumPixels: 134_217_728) }
      ),
      ("short.png", { .truncated(file: $0, format: .png) }),
      ("bomb.jpg", { .tooLarge(file: $0, width: 65500, height: 65500, maximumPixels: 134_217_728) }),
      ("notes.png", { .notAnImage(file: $0) }),
      ("empty.jpg", { .empty(file: $0) }),
      ("picture.gif", { .unsupportedFormat(file: $0, format: .gif) }),
      ("picture.bmp", { .unsupportedFormat(file: $0, format: .bmp) }),
      ("picture.webp", { .unsupportedFormat(file: $0, format: .webP) }),
      ("picture.tiff", { .unsupportedFormat(file: $0, format: .tiff) }),
    ]
    for (name, error) in expected {
      let file = Fixtures.picture(name)
      let path = file.path(percentEncoded: false)
      #expect(throws: error(path), "\(name)") { try Image(contentsOf: file) }
      #expect("\(error(path))".hasPrefix("\(path): "))
    }
    #expect {
      try Image(contentsOf: Fixtures.picture("missing.png"))
    } throws: { error in
      guard case ImageError.unreadable(let file, _) = error else { return false }
      return file.hasSuffix("missing.png")
    }
  }

  @Test func refusesPicturesAboveTheLimit() throws {
    let bytes = try Fixtures.bytes("rgb8.png")
    let pixels = 21 * 13
    #expect(throws: Never.self) {
      try Image(decoding: bytes, name: "x", limits: ImageLimits(maximumPixels: pixels))
    }
    #expect(throws: ImageError.tooLarge(file: "x", width: 21, height: 13, maximumPixels: pixels - 1)) {
      try Image(decoding: bytes, name: "x", limits: ImageLimits(maximumPixels: pixels - 1))
    }
  }

  @Test func refusesPicturesThatAreHardlyMoreThanALine() throws {
    let strip = try PNG.encode(Image(width: 1, height: 64, color: .white))
    #expect(throws: Never.self) { try Image(decoding: strip, name: "x") }
    let line = try PNG.encode(Image(width: 65, height: 1, color: .white))
    #expect(throws: ImageError.tooNarrow(file: "x", width: 65, height: 1, maximumAspectRatio: 64)) {
      try Image(decoding: line, name: "x")
    }
  }

  /// A small file can make a reader walk over the picture thousands of times.
  @Test func refusesEndlessScans() throws {
    let bytes = try Fixtures.bytes("progressive.jpg")
    // The first scan and the tables of the next, found by their markers.
    let marker: (UInt8, Int) -> Int? = { code, from in
      (from..<bytes.count - 1).first { bytes[$0] == 0xFF && bytes[$0 + 1] == code }
    }
    let scan = try #require(marker(0xDA, 0))
    let end = try #require(marker(0xC4, scan))
    func repeating(_ count: Int) -> [UInt8] {
      Array(bytes[..<scan]) + Array(repeating: bytes[scan..<end], count: count).joined() + Array(bytes[end...])
    }
    #expect(throws: Never.self) { try Image(decoding: repeating(100), name: "x") }
    #expect(throws: ImageError.corrupt(file: "x", format: .jpeg, reason: "more than 500 progressive scans")) {
      try Image(decoding: repeating(600), name: "x")
    }
  }

  /// Random damage either leaves a picture or gives an error; it never crashes.
  @Test(arguments: [
    "rgb8.png", "rgba16-interlaced.png", "palette4-transparent.png", "grey1.png", "exif6.png",
    "color-420.jpg", "progressive.jpg", "restart.jpg", "ycck.jpg", "exif6.jpg",
  ])
  func survivesDamage(name: String) throws {
    let original = try Fixtures.bytes(name)
    var random = SplitMix(state: 7)
    var (decoded, refused) = (0, 0)
    for trial in 0..<600 {
      var bytes = original
      for _ in 0..<trial % 6 {
        // The signature stays, or nothing behind it would be reached.
        bytes[Int.random(in: 8..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
      }
      if trial % 4 == 3 { bytes.removeLast(Int.random(in: 0..<bytes.count - 8, using: &random)) }
      // Without right checksums libpng would look no further.
      if name.hasSuffix(".png"), trial % 8 > 0 { PNGChunk.repairChecksums(&bytes) }
      do {
        let image = try Image(decoding: bytes, name: name, limits: ImageLimits(maximumPixels: 1 << 20))
        #expect(image.pixels.count == image.width * image.height * 3)
        decoded += 1
      } catch {
        refused += 1
      }
    }
    // The checksum over the pixels themselves leaves few damaged PNG files readable.
    #expect(decoded > (name.hasSuffix(".png") ? 0 : 20), "\(decoded) of 600 decoded")
    #expect(refused > 20, "\(refused) of 600 refused")
  }

  @Test func everyBeginningOfAFileIsRefused() throws {
    for name in ["rgba8-interlaced.png", "progressive.jpg"] {
      let bytes = try Fixtures.bytes(name)
      for count in 0..<bytes.count {
        #expect(throws: ImageError.self, "\(count) bytes of \(name)") {
          try Image(decoding: Array(bytes[..<count]), name: name)
        }
      }
    }
  }

  /// In a process of its own, since only the process as a whole knows its memory.
  @Test func leaksNothingWhenItFails() async {
    await #expect(processExitsWith: .success) {
      func residentBytes() throws -> Int {
        let pages = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")[1]
        return Int(pages)! * sysconf(Int32(_SC_PAGESIZE))
      }
      let names = ["truncated-half.png", "truncated-half.progressive.jpg", "corrupt-data.jpg", "rgba8.png", "cmyk.jpg"]
      let files = try names.map(Fixtures.bytes)
      func decodeAll(times: Int) {
        for _ in 0..<times {
          for bytes in files {
            do { _ = try Image(decoding: bytes, name: "") } catch {}
          }
        }
      }
      decodeAll(times: 200)
      let before = try residentBytes()
      // The smallest reader takes 8 KB: one leak of five would add 24 MB.
      decodeAll(times: 3000)
      let growth = try residentBytes() - before
      if growth > 8 << 20 { fatalError("\(growth) bytes leaked") }
    }
  }
}

/// A small generator with a fixed start (Steele, Lea and Flood, "Fast splittable pseudorandom number generators").
struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
