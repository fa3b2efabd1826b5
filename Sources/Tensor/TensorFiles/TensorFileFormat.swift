import Foundation

/// The formats that files of tensors come in.
public enum TensorFileFormat: String, Sendable, CaseIterable {
  /// safetensors, which holds tensors and strings and nothing else.
  case safetensors
  /// What `torch.save` writes since PyTorch 1.6: a zip archive of one pickle and the tensors' bytes.
  case torchArchive = "PyTorch archive"
  /// What `torch.save` wrote before: several pickles one after another, and then the tensors' bytes.
  case torchLegacy = "PyTorch legacy file"

  /// Tells the format of a file by its first bytes; its name plays no part.
  ///
  /// - Throws: `FileError` when it cannot be read, `TensorFileError` when it is in none of the formats.
  public init(of url: URL) throws {
    let file = try MappedFile(url)
    let start = file.withBytes(0..<min(file.byteCount, 64)) { Array($0) }
    guard let format = Self.recognize(start) else {
      let problem = TensorFileError.Problem.unknownFormat(Self.appearance(of: start))
      throw TensorFileError(path: url.path(percentEncoded: false), problem: problem)
    }
    self = format
  }

  /// Opens a file of tensors, whatever its format.
  ///
  /// - Throws: `FileError`, `TensorFileError`, `SafetensorsError` or `TorchFileError`.
  public static func open(_ url: URL) throws -> any TensorFile {
    switch try TensorFileFormat(of: url) {
    case .safetensors: try SafetensorsFile(url)
    case .torchArchive, .torchLegacy: try TorchFile(url)
    }
  }

  private static func recognize(_ start: [UInt8]) -> TensorFileFormat? {
    if start.starts(with: ZipArchive.localSignature) { return .torchArchive }
    if start.starts(with: LegacyTorchLayout.signature(protocol: 2)) { return .torchLegacy }
    // A pickle of a higher protocol says the length of its frame before anything else.
    if start.count > 11, start[0] == 0x80, start[1] <= 5, start[2] == 0x95,
      start[11...].starts(with: LegacyTorchLayout.magic)
    {
      return .torchLegacy
    }
    return start.count > 8 && start[8] == UInt8(ascii: "{") ? .safetensors : nil
  }

  /// What a file that is no file of tensors may be, for a message.
  private static func appearance(of start: [UInt8]) -> String {
    if start.isEmpty { return "it is empty" }
    let text = String(decoding: start, as: UTF8.self).lowercased()
    if text.hasPrefix("version https://git-lfs") {
      return "it is a pointer of Git LFS, so fetch the file itself with 'git lfs pull'"
    }
    if text.hasPrefix("<!doctype") || text.hasPrefix("<html") {
      return "it is a web page, so the download went wrong"
    }
    if start[0] == 0x80 { return "it is a Python pickle, but not one that torch.save wrote" }
    return "its first bytes are unknown"
  }
}
