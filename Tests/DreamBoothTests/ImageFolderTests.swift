import Foundation
import Images
import TestSupport
import Testing

@testable import DreamBooth

@Suite struct ImageFolderTests {
  let folder: TemporaryFolder
  let image = Image(width: 3, height: 2, pixels: (0..<18).map { UInt8($0 * 10) })

  init() throws {
    folder = try TemporaryFolder()
  }

  private func file(_ name: String) -> URL { folder.url.appending(path: name) }

  private func add(_ name: String, _ content: String) throws {
    try Data(content.utf8).write(to: file(name))
  }

  private func copy(_ name: String, as newName: String) throws {
    try FileManager.default.copyItem(at: Fixtures.folder.appending(path: "images/\(name)"), to: file(newName))
  }

  @Test func listsPicturesInTheOrderOfTheirBytes() throws {
    for name in ["b.png", "a.png", "Z.png", "10.png", "9.png", "ä.png"] { try image.writePNG(to: file(name)) }
    let images = try ImageFolder(folder.url)
    #expect(images.names == ["10.png", "9.png", "Z.png", "a.png", "b.png", "ä.png"])
    #expect(images.skipped.isEmpty)
    #expect(try images.image(at: 2) == image)
  }

  @Test func recognisesPicturesByContent() throws {
    try copy("color-444.jpg", as: "photo.png")
    try copy("rgb8.png", as: "no extension")
    let images = try ImageFolder(folder.url)
    #expect(images.names == ["no extension", "photo.png"])
    #expect(try images.image(at: 1).width == 37)
    #expect(try ImageFolder(URL(filePath: folder.url.path)).image(at: 0).width == 21)
  }

  @Test func namesWhatItSkips() throws {
    try image.writePNG(to: file("a.png"))
    for name in [".DS_Store", "._a.png", "Thumbs.db", "desktop.ini", "a.txt", "a.caption", "metadata.json", "notes"] {
      try add(name, "junk")
    }
    for name in [".ipynb_checkpoints", "older.png"] {
      try FileManager.default.createDirectory(at: file(name), withIntermediateDirectories: false)
    }
    let images = try ImageFolder(folder.url)
    #expect(images.names == ["a.png"])
    #expect(
      images.skipped.map(\.description)
        == [
          "._a.png (hidden file)", ".DS_Store (hidden file)", ".ipynb_checkpoints (hidden file)",
          "Thumbs.db (file of the operating system)", "a.caption (text)", "a.txt (text)",
          "desktop.ini (file of the operating system)", "metadata.json (text)", "notes (not an image)",
          "older.png (folder)",
        ].sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) })
  }

  @Test func followsLinks() throws {
    try image.writePNG(to: file(".hidden.png"))
    try FileManager.default.createSymbolicLink(at: file("a.png"), withDestinationURL: file(".hidden.png"))
    #expect(try ImageFolder(folder.url).image(at: 0) == image)
    try FileManager.default.createSymbolicLink(at: file("b.png"), withDestinationURL: file("missing"))
    #expect {
      try ImageFolder(folder.url)
    } throws: { error in
      guard case ImageError.unreadable(let file, _) = error else { return false }
      return file == self.file("b.png").path
    }
  }

  @Test func refusesFoldersWithoutPictures() throws {
    #expect(throws: ImageFolderError.noImages(path: folder.url.path(percentEncoded: false), skipped: [])) {
      try ImageFolder(folder.url)
    }
    try add("a.txt", "a photo")
    let skipped = [ImageFolder.SkippedFile(name: "a.txt", reason: "text")]
    #expect(throws: ImageFolderError.noImages(path: folder.url.path(percentEncoded: false), skipped: skipped)) {
      try ImageFolder(folder.url)
    }
    #expect(throws: ImageFolderError.missing(path: file("no").path)) { try ImageFolder(file("no")) }
    try FileManager.default.createSymbolicLink(at: file("link"), withDestinationURL: file("no"))
    #expect(throws: ImageFolderError.missing(path: file("link").path)) { try ImageFolder(file("link")) }
    #expect(throws: ImageFolderError.notAFolder(path: file("a.txt").path)) { try ImageFolder(file("a.txt")) }
    let slashed = URL(filePath: file("a.txt").path, directoryHint: .isDirectory)
    #expect(throws: ImageFolderError.notAFolder(path: "\(file("a.txt").path)/")) { try ImageFolder(slashed) }
  }

  @Test func refusesFormatsItCannotRead() throws {
    try image.writePNG(to: file("a.png"))
    try copy("picture.webp", as: "b.jpg")
    let error = ImageError.unsupportedFormat(file: file("b.jpg").path, format: .webP)
    #expect(throws: error) { try ImageFolder(folder.url) }
    #expect("\(error)".hasSuffix("is a WebP file, which is not supported; convert it to PNG or JPEG"))
  }

  @Test func refusesPicturesThatAreNone() throws {
    try image.writePNG(to: file("a.png"))
    try add("b.jpeg", "words")
    #expect(throws: ImageError.notAnImage(file: file("b.jpeg").path)) { try ImageFolder(folder.url) }
    try FileManager.default.removeItem(at: file("b.jpeg"))
    try copy("truncated-half.jpg", as: "c.jpg")
    let images = try ImageFolder(folder.url)
    #expect(throws: ImageError.truncated(file: file("c.jpg").path, format: .jpeg)) { try images.image(at: 1) }
  }
}
