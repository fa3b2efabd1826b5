import Foundation
import Images
import TestSupport
import Testing

@Suite struct PNGWritingTests {
  let folder: TemporaryFolder
  let image: Image

  init() throws {
    folder = try TemporaryFolder()
    image = try Image(contentsOf: Fixtures.picture("rgb8.png"))
  }

  private var contents: [String] {
    get throws { try FileManager.default.contentsOfDirectory(atPath: folder.url.path) }
  }

  @Test func readsBackWhatItWrote() throws {
    let file = folder.url.appending(path: "a.png")
    try image.writePNG(to: file)
    #expect(try Image(contentsOf: file) == image)
    #expect(try contents == ["a.png"])
  }

  @Test func storesText() throws {
    let bytes = try PNG.encode(image, text: [.init("Description", "a photo of sks dog"), .init("Title", "Größe 犬")])
    let chunks = PNGChunk.all(in: bytes)
    #expect(chunks.first { $0.type == "tEXt" }?.data == Array("Description\0a photo of sks dog".utf8))
    #expect(chunks.first { $0.type == "iTXt" }?.data == Array("Title\0\0\0\0\0Größe 犬".utf8))
    #expect(try Image(decoding: bytes, name: "x") == image)
  }

  @Test func leavesTheOldFileAloneWhenItCannotWrite() throws {
    // A folder cannot be replaced by a file, whoever asks.
    let taken = folder.url.appending(path: "taken")
    try FileManager.default.createDirectory(at: taken.appending(path: "inside"), withIntermediateDirectories: true)
    #expect(throws: ImageError.unwritable(file: taken.path, reason: "Is a directory")) {
      try image.writePNG(to: taken)
    }
    #expect(try contents == ["taken"])
    let homeless = folder.url.appending(path: "no/a.png")
    #expect(throws: ImageError.unwritable(file: homeless.path, reason: "No such file or directory")) {
      try image.writePNG(to: homeless)
    }
  }
}
