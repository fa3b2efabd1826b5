import Diffusion
import DreamBooth
import Foundation
import Images
import Tensor
import TestSupport

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
  /// The tokenizer that words are added to.
  private let tokenizer: CLIPTokenizer
  private let device = CPUBackend()

  /// Prepares reading in an empty folder. Where files are read together, those of all seeds are put into it.
  init(_ target: Target, seeds: [SeedFile], in folder: URL) throws {
    self.target = target
    self.folder = folder
    tokenizer = try ModelFolder(Fixtures.model("tiny-sd1")).loadTokenizer()
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
    } catch  where Self.isClear(error) {
      return .refused
    } catch {
      return .unclear("\(type(of: error)): \(error)")
    }
  }

  /// Whether an error is one of those that readers have for files that they refuse, and says so in one line.
  private static func isClear(_ error: any Error) -> Bool {
    let kinds: [any Error.Type] = [
      SafetensorsError.self, TorchFileError.self, TensorFileError.self, FileTooLargeError.self, ConfigurationError.self,
      ModelFolderError.self, TokenizerError.self, SingleFileError.self, LoRAError.self, TextualInversionError.self,
      SchedulerError.self, YAMLTextError.self, ImageError.self, TrainingMemoryError.self, FileError.self,
    ]
    return kinds.contains { $0 == type(of: error) } && !"\(error)".isEmpty
  }

  private func read(_ url: URL, _ seed: SeedFile) throws {
    switch target {
    case .safetensors: try readAll(SafetensorsFile(url))
    case .archive, .pickle, .legacy: try readAll(TensorFileFormat.open(url))
    case .configuration:
      // models/NAME/PART/config.json
      try plan(ModelFolder(folder.appending(path: seed.path.split(separator: "/").prefix(2).joined(separator: "/"))))
    case .yaml:
      _ = try YAMLText.root(of: url)
      _ = try SingleFileYAML(beside: url)
    case .folder: try readAll(ModelFolder(folder.appending(path: "model")))
    case .single:
      var options = ModelOptions(use: .conversion)
      options.configuration = url.deletingPathExtension()
      try readAll(ModelFolder(url, options: options))
    case .lora:
      let lora = try LoRA(contentsOf: url)
      for layout in LoRALayout.allCases {
        try lora.withFoldedScale().write(to: folder.appending(path: "written.safetensors"), layout, on: device)
      }
    case .words:
      let word = try TextualInversion(contentsOf: url)
      var tokenizer = tokenizer
      _ = try [word].newTokens(in: &tokenizer, width: word.width)
      _ = tokenizer.encode("a photo of \(word.word)")
    case .inspect: _ = try WeightFileReport(url)
    case .tokenizer:
      let tokenizer = try CLIPTokenizer(contentsOf: url.deletingLastPathComponent())
      for text in ["a photo of sks dog", "ünïcødé 🎉 \u{0} <|endoftext|>"] { _ = tokenizer.encode(text) }
    // The readers' standard limit is for cameras; this one shows that it is kept.
    case .png, .jpeg: _ = try Image(contentsOf: url, limits: ImageLimits(maximumPixels: 1 << 16))
    }
  }

  /// Finds out what a model consists of, how it is sampled, and what training it takes.
  private func plan(_ model: ModelFolder) throws {
    for part in ModelPart.allCases { _ = try model.specifications(of: part) }
    for sampler in SamplerName.allCases {
      var scheduler = try model.schedulerConfiguration.makeScheduler(named: sampler)
      try scheduler.setTimesteps(20)
      for call in scheduler.timesteps.indices { _ = scheduler.transition(after: call) }
    }
    var configuration = TrainingConfiguration(
      pretrainedModelNameOrPath: "", instanceDataDir: "", instancePrompt: "", outputDir: "")
    configuration.resolution = (model.unetConfiguration.sampleHeight ?? 64) * model.autoencoderConfiguration.downFactor
    _ = try TrainingMemory(model, configuration)
  }

  private func readAll(_ model: ModelFolder) throws {
    for part in ModelPart.allCases {
      for tensor in try model.tensors(of: part) { _ = try tensor.floats() }
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
