import Diffusion
import Foundation
import TestSupport

/// Well-formed files that the repository does not hold, as they follow from others.
extension Target {
  /// Writes the files that inputs are derived from, and those that go with them, to an empty folder.
  ///
  /// - Returns: the paths of those that go with others and are not damaged themselves.
  func makeSeeds(in folder: URL) throws -> Set<String> {
    switch self {
    case .single: return try makeSingleFiles(in: folder)
    case .folder: return try makeFolder(in: folder)
    case .lora: try makeLoRAs(in: folder)
    case .words: try makeWords(in: folder)
    case .inspect:
      _ = try makeSingleFiles(in: folder)
      try FileManager.default.removeItem(at: folder.appending(path: "first"))
      try FileManager.default.removeItem(at: folder.appending(path: "second"))
      try makeLoRAs(in: folder)
      try makeWords(in: folder)
    default: break
    }
    return []
  }

  /// Single files of both generations in both formats, and their configurations in the folders `first` and `second`.
  private func makeSingleFiles(in folder: URL) throws -> Set<String> {
    for (name, like) in [("first", "tiny-sd1"), ("second", "tiny-sd21")] {
      let model = try ModelFolder(SmallModel(like: like, to: folder.appending(path: name)).url)
      for format in SingleFileFormat.allCases {
        try model.saveSingleFile(to: folder.appending(path: "\(name).\(format.rawValue)"), format: format)
      }
    }
    for name in ["first", "second"] {
      for part in ModelPart.allCases {
        let file = folder.appending(path: "\(name)/\(part.folder)")
        for weights in try FileManager.default.contentsOfDirectory(atPath: file.path(percentEncoded: false))
        where weights.hasSuffix(".safetensors") {
          try FileManager.default.removeItem(at: file.appending(path: weights))
        }
      }
    }
    try FileManager.default.removeItem(at: folder.appending(path: "second.yaml"))
    return Set(try Self.paths(in: folder).filter { $0.contains("/") })
  }

  /// A folder with shards, a file of PyTorch and a variant.
  private func makeFolder(in folder: URL) throws -> Set<String> {
    try SmallModel(like: "tiny-sd1", to: folder.appending(path: "model")).scatter()
    return Set(try Self.paths(in: folder).filter { $0.hasPrefix("model/tokenizer/") })
  }

  /// A few layers of a LoRA in both layouts and both formats.
  private func makeLoRAs(in folder: URL) throws {
    let device = CPUBackend()
    for name in ["sd1", "sd1-conv"] {
      let whole = try LoRA(contentsOf: Fixtures.folder.appending(path: "goldens/lora/\(name).safetensors"))
      let layers = [ModelPart.unet, .textEncoder].flatMap { part in
        whole.layers.filter { $0.part == part }.sorted { $0.down.numbers.count < $1.down.numbers.count }.prefix(3)
      }
      for layout in LoRALayout.allCases {
        let url = folder.appending(path: "\(name)-\(layout.rawValue).safetensors")
        try LoRA(layers, origin: name).write(to: url, layout, on: device)
        try FileFormats.writeTorch(url, to: url.deletingPathExtension().appendingPathExtension("ckpt"))
      }
    }
  }

  /// A word of two vectors in all forms.
  private func makeWords(in folder: URL) throws {
    let word = TextualInversion("<cat>", count: 2, vectors: (0..<64).map { Float($0) / 64 })
    for layout in TextualInversionLayout.allCases {
      let ending = layout == .automatic1111 ? "pt" : "safetensors"
      try word.write(to: folder.appending(path: "word-\(layout.rawValue).\(ending)"), layout, on: CPUBackend())
    }
  }

  /// The paths of all files in a folder.
  static func paths(in folder: URL) throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: folder.path(percentEncoded: false)).sorted().filter {
      !folder.appending(path: $0).isFolder
    }
  }
}
