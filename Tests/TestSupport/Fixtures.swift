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

  /// Reads `Fixtures/goldens/<name>.json`, whose keys are in snake case.
  public static func golden<Value: Decodable>(_ name: String, as type: Value.Type) throws -> Value {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(type, from: Data(contentsOf: folder.appending(path: "goldens/\(name).json")))
  }

  /// The folder of a tiny model with random weights, such as `tiny-sd1`.
  public static func model(_ name: String) -> URL {
    folder.appending(path: "models/\(name)", directoryHint: .isDirectory)
  }

  /// The folder of the base model that the demonstration trains.
  public static let baseModel = folder.deletingLastPathComponent()
    .appending(path: "Models/toy-world", directoryHint: .isDirectory)

  /// The folder of the configs that a full-size checkpoint carries, such as `sd15`.
  public static func configs(_ name: String) -> URL {
    folder.appending(path: "configs/\(name)", directoryHint: .isDirectory)
  }
}
