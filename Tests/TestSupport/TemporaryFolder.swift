import Foundation

/// A folder that disappears with the test that made it.
public final class TemporaryFolder: Sendable {
  /// Where it is.
  public let url: URL

  /// Makes an empty folder.
  public init() throws {
    url = FileManager.default.temporaryDirectory.appending(
      path: "dreambooth-\(UUID().uuidString)", directoryHint: .isDirectory)
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  }

  deinit {
    do {
      try FileManager.default.removeItem(at: url)
    } catch CocoaError.fileNoSuchFile {
      // A test may have moved or removed the folder itself.
    } catch {
      fatalError("TemporaryFolder: \(url.path(percentEncoded: false)) could not be removed: \(error)")
    }
  }
}
