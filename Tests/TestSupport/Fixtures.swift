import Foundation
import Tensor

/// What the scripts in `Fixtures/` made with the real libraries.
public enum Fixtures {
  /// The folder `Fixtures` of this checkout.
  public static let folder = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appending(path: "Fixtures", directoryHint: .isDirectory)

  /// Opens `Fixtures/goldens/<name>.safetensors`.
  public static func golden(_ name: String) throws -> SafetensorsFile {
    try SafetensorsFile(folder.appending(path: "goldens/\(name).safetensors"))
  }
}
