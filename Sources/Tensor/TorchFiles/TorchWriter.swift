import Foundation

/// Writes files as `torch.save` does, one tensor in memory at a time.
///
/// They open with `torch.load(weights_only=True)`, mapped or not, and with programs that allow only the entries and the
/// functions that PyTorch 1.6 wrote, such as older releases of AUTOMATIC1111's WebUI.
public enum TorchWriter {
  /// Programs that load cautiously want one folder of any name in the archive.
  private static let folder = "archive"

  /// Writes a file that appears only when it is complete.
  ///
  /// - Throws: `FileError`, or what making an item throws; a file that stood there before is then unharmed.
  public static func write(_ contents: TorchContents, to destination: URL) throws {
    try write(contents, to: destination, wideFrom: ZipWriter.wideFrom)
  }

  /// - Parameter wideFrom: the first number that is written in 64 bits.
  static func write(_ contents: TorchContents, to destination: URL, wideFrom: Int) throws {
    var pickle = TorchPickler()
    pickle.write(contents)
    var archive = ZipWriter(try AtomicFile(path: destination.path(percentEncoded: false)), wideFrom: wideFrom)
    try archive.add("\(folder)/data.pkl", pickle.bytes)
    for (key, item) in pickle.items.enumerated() {
      try archive.begin("\(folder)/data/\(key)", byteCount: item.byteCount)
      try item.write { try archive.append($0) }
      try archive.end()
    }
    try archive.add("\(folder)/version", Array("3\n".utf8))
    try archive.commit()
  }
}
