import Foundation
import TestSupport

/// What inputs are made for.
enum Target: String, CaseIterable {
  case safetensors
  case archive
  case pickle
  case legacy
  case configuration
  case yaml
  case tokenizer
  case folder
  case single
  case lora
  case words
  case inspect
  case png
  case jpeg

  /// The well-formed files from which inputs are derived: those of the repository, and what follows from them.
  func seeds() throws -> [SeedFile] {
    func seeds(_ folder: URL, _ paths: [String], kept: Set<String> = []) throws -> [SeedFile] {
      try paths.sorted().map { path in
        let bytes = Array(try Data(contentsOf: folder.appending(path: path)))
        return SeedFile(path: path, bytes: bytes, isKept: kept.contains(path))
      }
    }
    let made = try TemporaryFolder()
    let kept = try makeSeeds(in: made.url)
    return try seeds(Fixtures.folder, paths(in: Fixtures.folder))
      + seeds(made.url, Self.paths(in: made.url), kept: kept)
  }

  /// The files of the repository.
  private func paths(in fixtures: URL) throws -> [String] {
    func files(_ folder: String, _ isWanted: (String) -> Bool) throws -> [String] {
      let url = fixtures.appending(path: folder)
      let names = try FileManager.default.contentsOfDirectory(atPath: url.path(percentEncoded: false))
      return names.filter(isWanted).map { "\(folder)/\($0)" }
    }
    switch self {
    case .safetensors: return try files("goldens/torch-files") { $0.hasSuffix(".safetensors") }
    case .archive:
      return try files("torch-files") { !$0.contains("legacy") && ($0.hasSuffix(".pt") || $0.hasSuffix(".ckpt")) }
    case .legacy: return try files("torch-files") { $0.contains("legacy") }
    case .pickle: return try files("torch-files/pickles") { $0.hasSuffix(".pkl") }
    case .configuration:
      return ["tiny-sd1", "tiny-sd21"].flatMap { model in
        [
          "model_index.json", "scheduler/scheduler_config.json", "text_encoder/config.json", "unet/config.json",
          "vae/config.json",
        ].map { "models/\(model)/\($0)" }
      }
    case .yaml: return try files("yaml") { $0.hasSuffix(".yaml") }
    case .folder, .single: return []
    case .lora: return ["sd1", "sd1-kohya"].map { "goldens/lora/\($0).safetensors" }
    case .words:
      return try files("torch-files") { $0.hasPrefix("embedding") }
        + ["automatic1111", "diffusers"].map { "goldens/textual-inversion/\($0).safetensors" }
    case .inspect:
      return try files("torch-files") { !$0.hasSuffix("pickles") } + files("goldens/torch-files") { !$0.isEmpty }
    case .tokenizer:
      return try files("goldens/tokenizer/sd1") { !$0.isEmpty } + files("models/tiny-sd21/tokenizer") { !$0.isEmpty }
    case .png: return try files("images") { $0.hasSuffix(".png") }
    case .jpeg: return try files("images") { $0.hasSuffix(".jpg") }
    }
  }

  /// Makes an input from two well-formed files.
  func input(from file: [UInt8], _ other: [UInt8], _ mutator: inout Mutator) -> [UInt8] {
    switch self {
    case .archive where mutator.below(4) == 0: return trickArchive(file, &mutator)
    case .yaml where mutator.below(4) == 0: return HostileYAML.document(&mutator)
    case .pickle: return archive(of: pickle(from: file, other, &mutator))
    default: return mutator.damage(file, other)
    }
  }

  private func pickle(from file: [UInt8], _ other: [UInt8], _ mutator: inout Mutator) -> [UInt8] {
    switch mutator.below(3) {
    case 0: HostilePickle.program(&mutator)
    case 1: HostilePickle.injection(into: file, &mutator)
    default: mutator.damage(file, other)
    }
  }

  /// A well-formed archive around a pickle, with a few storages for it to find.
  private func archive(of pickle: [UInt8]) -> [UInt8] {
    let storages = (0..<8).map { StoredZip.Entry("archive/data/\($0)", [UInt8](repeating: 0x3f, count: 96)) }
    return StoredZip.archive([StoredZip.Entry("archive/data.pkl", pickle)] + storages)
  }

  /// An archive whose directory lies: entries that overlap, lie outside, share a name or are longer than they are.
  private func trickArchive(_ file: [UInt8], _ mutator: inout Mutator) -> [UInt8] {
    var entries = ["data.pkl", "version", "byteorder", "data/0", "data/1"].map { name in
      StoredZip.Entry("archive/\(name)", Array(file.prefix(mutator.below(400))))
    }
    for _ in 0...mutator.below(4) {
      let index = mutator.below(entries.count)
      switch mutator.below(7) {
      case 0: entries[index].misplacement = Int32(mutator.below(2000)) - 1000
      case 1: entries[index].size = mutator.choice([0, 1, 0x7fff_ffff, 0xffff_ffff])
      case 2: entries[index].packedSize = mutator.choice([0, 1, 0x7fff_ffff, 0xffff_ffff])
      case 3: entries[index].method = mutator.choice([8, 12, 99])
      case 4: entries[index].name = mutator.choice(["archive/data.pkl", "../../etc/passwd", "", "data.pkl"])
      case 5: entries.append(entries[index])
      default: entries[index].bytes = StoredZip.archive([entries[0]])
      }
    }
    return StoredZip.archive(entries, countsMissing: mutator.choice([0, 0, 0, 1, -1, 65535]))
  }
}
