import Foundation
import TestSupport
import Testing

@testable import Tensor

/// Files are told apart by their bytes alone.
@Suite struct TensorFileFormatTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func format(_ bytes: [UInt8]) throws -> TensorFileFormat {
    let url = folder.url.appending(path: "file.safetensors")
    try Data(bytes).write(to: url)
    return try TensorFileFormat(of: url)
  }

  private func format(copyOf path: String) throws -> TensorFileFormat {
    try format(Array(Data(contentsOf: Fixtures.folder.appending(path: path))))
  }

  @Test func tellsFormatsApart() throws {
    #expect(try format(copyOf: "goldens/torch-files/all.safetensors") == .safetensors)
    #expect(try format(copyOf: "torch-files/all.pt") == .torchArchive)
    #expect(try format(copyOf: "torch-files/all-legacy.pt") == .torchLegacy)
    #expect(try format(copyOf: "torch-files/all-legacy-protocol4.pt") == .torchLegacy)
  }

  @Test(
    arguments: [
      ([], "empty"),
      (Array("version https://git-lfs.github.com/spec/v1\noid sha256:0\n".utf8), "git lfs pull"),
      (Array("<!DOCTYPE html><html>".utf8), "web page"),
      (Array("<html><head>".utf8), "web page"),
      ([0x80, 2, 0x7d, 0x2e], "Python pickle"),
      (Array("hello, world".utf8), "unknown"),
      ([UInt8](repeating: 0, count: 8), "unknown"),
    ] as [([UInt8], String)])
  func saysWhatElseAFileIs(_ bytes: [UInt8], _ words: String) throws {
    let error = #expect(throws: TensorFileError.self) { try format(bytes) }
    #expect(error?.description.contains(words) == true)
  }

  @Test func opensAnyFormat() throws {
    let golden = try TensorFileFormat.open(Fixtures.folder.appending(path: "goldens/torch-files/all.safetensors"))
    #expect(golden.format == .safetensors)
    #expect(golden.root.dictionary?.keys == golden.names)
    #expect(golden.root["scalar"]?.tensor?.floats() == [2.5])
    #expect(golden.unsupportedTypes == [:])
    #expect(golden.ignored == [])
  }

  @Test func readersRefuseEachOthersFiles() throws {
    #expect(throws: TensorFileError.self) {
      try TorchFile(Fixtures.folder.appending(path: "goldens/torch-files/all.safetensors"))
    }
    #expect(throws: SafetensorsError.self) {
      try SafetensorsFile(Fixtures.folder.appending(path: "torch-files/all.pt"))
    }
  }

  @Test func saysWhyAFileCannotBeOpened() throws {
    let error = #expect(throws: FileError.self) {
      try TensorFileFormat.open(folder.url.appending(path: "missing.ckpt"))
    }
    #expect(error?.code == ENOENT)
  }
}
