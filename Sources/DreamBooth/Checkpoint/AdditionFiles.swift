import Foundation

/// The files in which other programs find what a run trains besides a model's own weights: adapters and new words.
enum AdditionFiles {
  /// Writes them into a folder.
  ///
  /// - Returns: what was written; nothing where weights alone are trained.
  /// - Throws: `FileError`.
  static func write(_ parts: [TrainedPart], _ configuration: TrainingConfiguration, into folder: URL) throws -> [URL] {
    let backend = parts[0].parameters.backend
    var files: [URL] = []
    if let options = configuration.lora {
      let file = folder.appending(path: LoRA.fileName)
      try LoRA(parts, options).write(to: file, .diffusers, on: backend)
      files.append(file)
    }
    let words = [TextualInversion](parts, configuration)
    for (index, word) in words.enumerated() {
      // diffusers takes one word from a file.
      let name = TextualInversion.fileName
      let file = folder.appending(path: words.count == 1 ? name : name.replacing(".", with: "-\(index + 1)."))
      try word.write(to: file, .diffusers, on: backend)
      files.append(file)
    }
    return files
  }
}
