import Foundation

/// The formats that a whole model in one file has.
public enum SingleFileFormat: String, Sendable, CaseIterable {
  /// A safetensors file.
  case safetensors
  /// What PyTorch saves, with everything under `state_dict`.
  case ckpt
}

extension ModelFolder {
  /// Writes the model as one file in the layout of its original implementation, which WebUIs read.
  ///
  /// The file is read back and compared bit by bit before it takes its place. A model that predicts velocity gets a YAML
  /// file of the same name beside it, without which WebUIs would take it for one that predicts noise.
  ///
  /// - Parameters:
  ///   - destination: where the file goes.
  ///   - dtype: the type of the numbers; if nil, that in which they are stored.
  ///   - progress: told how far it is; what it throws ends the writing and leaves what stood there.
  /// - Throws: `WrittenFileError` where the disk does not give back what it was given, `FileError`, or why this model
  ///   cannot be read. Whatever stood at the destination is then unharmed. `ModelFolderError.wouldRemove` where the YAML
  ///   file would replace another one.
  public func saveSingleFile(
    to destination: URL, format: SingleFileFormat, dtype: DType? = nil,
    progress: @escaping (WritingProgress) throws -> Void = { _ in }
  ) throws {
    let predictsVelocity = schedulerConfiguration.predictionType == .velocity
    let yaml = SingleFileYAML.url(beside: destination)
    if predictsVelocity { try requireNoOther(yaml) }
    let tensors = try singleFileTensors(as: dtype)
    let report = WritingProgressReport(
      total: tensors.reduce(0) { $0 + $1.byteCount }, isCompared: true, progress)
    let written = tensors.map { $0.reporting(report.addWritten) }
    try WrittenFile.place(at: destination, holding: tensors, report: report.addCompared) { temporary in
      switch format {
      case .safetensors:
        let metadata = modelSpecification(title: destination.deletingPathExtension().lastPathComponent)
        try SafetensorsWriter.write(written, metadata: metadata, to: temporary)
      case .ckpt: try TorchWriter.write(["state_dict": .tensors(written)], to: temporary)
      }
    }
    if predictsVelocity { try AtomicFile.write(Array(originalYAML.utf8), to: yaml) }
  }

  /// Makes sure that writing the YAML file would replace nothing but the same.
  private func requireNoOther(_ yaml: URL) throws {
    let path = yaml.path(percentEncoded: false)
    guard FileManager.default.fileExists(atPath: path) else { return }
    let wanted = Data(originalYAML.utf8)
    do {
      if try SmallFile.read(yaml, byteLimit: wanted.count) == wanted { return }
    } catch is FileTooLargeError {}
    throw ModelFolderError.wouldRemove(entry: path)
  }

  /// What a safetensors file says of the model for people and programs (Stability AI's ModelSpec).
  func modelSpecification(title: String) -> [String: String] {
    let predictsVelocity = schedulerConfiguration.predictionType == .velocity
    let side = (unetConfiguration.sampleHeight ?? 64) * autoencoderConfiguration.downFactor
    let architecture =
      switch layout.text {
      case .clip: "stable-diffusion-v1"
      case .openCLIP: predictsVelocity ? "stable-diffusion-v2-768-v" : "stable-diffusion-v2-512"
      }
    let task = unetConfiguration.inputChannels == 9 ? "/inpainting" : ""
    return [
      "modelspec.sai_model_spec": "1.0.0", "modelspec.architecture": architecture + task,
      "modelspec.implementation": "https://github.com/Stability-AI/stablediffusion", "modelspec.title": title,
      "modelspec.resolution": "\(side)x\(side)", "modelspec.prediction_type": predictsVelocity ? "v" : "epsilon",
    ]
  }
}
