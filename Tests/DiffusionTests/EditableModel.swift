import Diffusion
import Foundation
import TestSupport

/// A copy of a tiny model that a test may damage.
struct EditableModel {
  /// The tensors of a file by name.
  typealias Tensors = [String: Tensor]

  private let home: TemporaryFolder
  private let device = CPUBackend()

  /// The copy's folder.
  var url: URL { home.url.appending(path: "model", directoryHint: .isDirectory) }

  /// A copy of `Fixtures/models/<name>`.
  init(_ name: String = "tiny-sample") throws {
    home = try TemporaryFolder()
    try FileManager.default.copyItem(at: Fixtures.model(name), to: url)
  }

  /// Opens the copy.
  func open() throws -> ModelFolder { try ModelFolder(url) }

  /// Where a file of the model is.
  func file(_ path: String) -> URL { url.appending(path: path) }

  /// The file that holds the weights of a part.
  func weights(_ part: ModelPart) -> URL {
    file("\(part.folder)/\(part == .textEncoder ? "model" : "diffusion_pytorch_model").safetensors")
  }

  /// Removes a file.
  func remove(_ path: String) throws { try FileManager.default.removeItem(at: file(path)) }

  /// Changes members of a JSON file; `nil` removes a member.
  func edit(_ path: String, _ changes: [String: JSONValue?]) throws {
    var members = try JSONDecoder().decode([String: JSONValue].self, from: Data(contentsOf: file(path)))
    for (name, value) in changes { members[name] = value }
    try JSONEncoder().encode(members).write(to: file(path))
  }

  /// Changes the tensors of a part.
  func edit(_ part: ModelPart, _ change: (inout Tensors) -> Void) throws {
    let stored = try SafetensorsFile(weights(part))
    var tensors: Tensors = [:]
    for name in stored.names {
      tensors[name] = Tensor(try stored.floats(name), try stored.entry(name).shape, on: device)
    }
    change(&tensors)
    try SafetensorsWriter.write(tensors.map { TensorItem($0.key, $0.value) }, to: weights(part))
  }

  /// A tensor of zeros.
  func zeros(_ shape: Shape) -> Tensor { Tensor(repeating: 0, shape, on: device) }
}
