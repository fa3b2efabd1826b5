import Diffusion
import Foundation
import Images
import Tensor

/// Reads inputs as the programs do that the readers serve.
struct Reading {
  /// How a reader took an input.
  enum Outcome {
    case accepted
    /// Refused with one of the readers' own errors.
    case refused
    /// Refused with an error that says nothing to people.
    case unclear(String)
  }

  private let target: Target
  private let folder: URL

  /// Prepares reading in an empty folder. Where files are read together, those of all seeds are put into it.
  init(_ target: Target, seeds: [SeedFile], in folder: URL) throws {
    self.target = target
    self.folder = folder
    for seed in seeds {
      let parent = folder.appending(path: seed.path).deletingLastPathComponent()
      try FileManager.default.createDirectory(at: parent, withIntermediateDirectories: true)
      try Data(seed.bytes).write(to: folder.appending(path: seed.path))
    }
  }

  /// Reads one input, which takes the place of its seed file for the time, and everything in it.
  func read(_ bytes: [UInt8], of seed: SeedFile) throws -> Outcome {
    let url = folder.appending(path: seed.path)
    try Data(bytes).write(to: url)
    let outcome = outcome(of: url, seed)
    try Data(seed.bytes).write(to: url)
    return outcome
  }

  private func outcome(of url: URL, _ seed: SeedFile) -> Outcome {
    do {
      try read(url, seed)
      return .accepted
    } catch let error
      where error is SafetensorsError || error is TorchFileError || error is TensorFileError
      || error is ConfigurationError || error is ModelFolderError || error is TokenizerError || error is ImageError
    {
      return .refused
    } catch {
      return .unclear("\(type(of: error)): \(error)")
    }
  }

  private func read(_ url: URL, _ seed: SeedFile) throws {
    switch target {
    case .safetensors: try readAll(SafetensorsFile(url))
    case .archive, .pickle, .legacy: try readAll(TensorFileFormat.open(url))
    case .configuration:
      // models/NAME/PART/config.json
      _ = try ModelFolder(folder.appending(path: seed.path.split(separator: "/").prefix(2).joined(separator: "/")))
    case .tokenizer:
      let tokenizer = try CLIPTokenizer(contentsOf: url.deletingLastPathComponent())
      for text in ["a photo of sks dog", "ünïcødé 🎉 \u{0} <|endoftext|>"] { _ = tokenizer.encode(text) }
    // The readers' standard limit is for cameras; this one shows that it is kept.
    case .png, .jpeg: _ = try Image(contentsOf: url, limits: ImageLimits(maximumPixels: 1 << 16))
    }
  }

  private func readAll(_ file: any TensorFile) throws {
    for name in file.names { _ = try file.entry(name).bytes() }
    var visits = 10_000
    readAll(file.root, &visits)
  }

  /// Values may be shared, so that there are more ways to them than anyone could follow.
  private func readAll(_ value: StoredValue, _ visits: inout Int) {
    visits -= 1
    guard visits > 0 else { return }
    switch value {
    case .tensor(let tensor): _ = tensor.bytes()
    case .list(let elements): for element in elements { readAll(element, &visits) }
    case .dictionary(let dictionary): for pair in dictionary.pairs { readAll(pair.value, &visits) }
    default: break
    }
  }
}
