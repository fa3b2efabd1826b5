import Foundation

/// A folder `checkpoint-N` from which a run continues bit for bit.
///
/// For each trained part it holds the weights, under the path and the keys that diffusers has for them, and the two
/// moments of AdamW as `exp_avg.<key>` and `exp_avg_sq.<key>` in `optimizer.safetensors` beside them, all in Float32
/// and PyTorch's layout (but see `QuantizedState`), so that a run can be continued on another device and in another precision, though then not with
/// the same bytes. Where adapters or new words are trained, files of diffusers' layouts hold them too, for use
/// elsewhere. `state.json` is written last and lists the other files.
public struct RunCheckpoint: Sendable {
  /// The name of the file without which a folder is no checkpoint.
  static let stateFile = "state.json"

  private struct Contents: Codable {
    var format = 1
    var state: RunState
    /// Left out by checkpoints from before steps could be skipped.
    var optimizer: AdamW.State?
    /// The size in bytes of every other file.
    var files: [String: Int]
  }

  /// The folder.
  public let url: URL
  /// Everything about the run that is not a tensor.
  public let state: RunState
  /// What the optimiser has to remember besides its moments.
  public let optimizerState: AdamW.State

  /// The file with the moments of a part, inside the checkpoint.
  private static func optimizerFile(_ part: TrainedPart) -> String { "\(part.part.folder)/optimizer.safetensors" }

  var path: String { url.path(percentEncoded: false) }

  // MARK: Writing

  /// Writes the checkpoint of a step, or leaves the disk as it was.
  ///
  /// - Parameters:
  ///   - moments: the optimiser over the stores of `parts`, in the same order.
  ///   - folder: the output folder of the run.
  /// - Throws: `RunCheckpointError` when the disk has too little room, `FileError` when it refuses.
  public static func write(
    _ state: RunState, _ parts: [TrainedPart], _ optimizer: AdamW, in folder: URL
  ) throws -> RunCheckpoint {
    require(optimizer.stepCount == state.step, "RunCheckpoint: the optimiser is at step \(optimizer.stepCount)")
    try requireFreeSpace(byteCount(parts, quantizesMoments: !optimizer.quantizedMoments.isEmpty), in: folder)
    let url = CheckpointFolder.url(ofStep: state.step, in: folder)
    let optimizerState = optimizer.state
    try AtomicFolder.write(to: url) { temporary in
      var files: [String: Int] = [:]
      for (index, part) in parts.enumerated() {
        try FileManager.default.createDirectory(
          at: temporary.appending(path: part.part.folder), withIntermediateDirectories: true)
        let (weights, moments) = items(part, optimizer, index)
        for (path, items) in [(part.weightsFile, weights), (optimizerFile(part), moments)] {
          let file = temporary.appending(path: path)
          try SafetensorsWriter.write(items, metadata: QuantizedState.metadata(optimizer), to: file)
          files[path] = try CheckpointFolder.size(of: file)
        }
      }
      for file in try AdditionFiles.write(parts, state.configuration, into: temporary) {
        files[file.lastPathComponent] = try CheckpointFolder.size(of: file)
      }
      var marker = try AtomicFile(path: temporary.appending(path: stateFile).path(percentEncoded: false))
      try marker.append(
        [UInt8](RunJSON.encoder.encode(Contents(state: state, optimizer: optimizerState, files: files))))
      try marker.commit()
    }
    return RunCheckpoint(url: url, state: state, optimizerState: optimizerState)
  }

  private static func items(
    _ part: TrainedPart, _ optimizer: AdamW, _ index: Int
  ) -> (weights: [TensorItem], moments: [TensorItem]) {
    let store = part.parameters
    var weights: [TensorItem] = []
    var moments: [TensorItem] = []
    for parameter in store.trainable {
      let (name, shape) = (parameter.name, parameter.specification.shape)
      weights.append(TensorItem(name, shape) { store.pytorch(parameter) })
      if !optimizer.quantizedMoments.isEmpty {
        moments += QuantizedState(parameter, in: store, optimizer.quantizedMoments[index]).items
        continue
      }
      moments.append(
        TensorItem("exp_avg.\(name)", shape) { store.pytorch(parameter, in: optimizer.moments1[index]) })
      moments.append(
        TensorItem("exp_avg_sq.\(name)", shape) { store.pytorch(parameter, in: optimizer.moments2[index]) })
    }
    return (weights, moments)
  }

  /// The size of a checkpoint: the weights, additions twice, and two moments, and some room for headers, scales and the
  /// state.
  static func byteCount(_ parts: [TrainedPart], quantizesMoments: Bool) -> Int {
    parts.reduce(1 << 20) { bytes, part in
      let weights = part.hasAdditions ? 8 : 4
      return bytes + (weights + (quantizesMoments ? 3 : 8)) * part.numberCount
    }
  }

  /// Makes sure that so many bytes can be written to a folder.
  ///
  /// - Throws: `RunCheckpointError.notEnoughSpace`, or `FileError` when the folder is not there.
  static func requireFreeSpace(_ byteCount: Int, in folder: URL) throws {
    let path = folder.path(percentEncoded: false)
    let attributes: [FileAttributeKey: Any]
    do {
      attributes = try FileManager.default.attributesOfFileSystem(forPath: path)
    } catch {
      throw FileError(path: path, action: .read, underlying: error)
    }
    // Some network file systems do not say; the write itself will then tell.
    guard let free = attributes[.systemFreeSize] as? NSNumber else { return }
    guard free.intValue >= byteCount else {
      throw RunCheckpointError.notEnoughSpace(path: path, needed: byteCount, available: free.intValue)
    }
  }

  // MARK: Reading

  private init(url: URL, state: RunState, optimizerState: AdamW.State) {
    self.url = url
    self.state = state
    self.optimizerState = optimizerState
  }

  /// Opens a checkpoint and makes sure that it is whole; tensors are read by `restore`.
  ///
  /// - Throws: `RunCheckpointError.incomplete`.
  public init(_ url: URL) throws(RunCheckpointError) {
    func incomplete(_ reason: String) -> RunCheckpointError {
      .incomplete(path: url.path(percentEncoded: false), reason: reason)
    }
    let contents: Contents
    do {
      let text = try Data(contentsOf: url.appending(path: RunCheckpoint.stateFile))
      contents = try RunJSON.decoder.decode(Contents.self, from: text)
    } catch is DecodingError {
      throw incomplete("\(RunCheckpoint.stateFile) is damaged or of another version")
    } catch {
      throw incomplete("\(RunCheckpoint.stateFile) cannot be read")
    }
    for (file, size) in contents.files.sorted(by: { $0.key < $1.key }) {
      let found: Int
      do {
        found = try CheckpointFolder.size(of: url.appending(path: file))
      } catch {
        throw incomplete("\(file) is missing")
      }
      guard found == size else { throw incomplete("\(file) has \(found) bytes instead of \(size)") }
    }
    let optimizerState = contents.optimizer ?? AdamW.State(updates: contents.state.step)
    guard optimizerState.isPossible(after: contents.state.step) else {
      throw incomplete("\(RunCheckpoint.stateFile) is damaged: its optimizer is in no possible state")
    }
    self.init(url: url, state: contents.state, optimizerState: optimizerState)
  }

  /// Makes sure that a run with the given options may continue from here.
  ///
  /// - Throws: `RunCheckpointError.otherConfiguration`.
  public func requireConfiguration(_ configuration: TrainingConfiguration) throws {
    let conflicts = try state.conflicts(with: configuration)
    guard conflicts.isEmpty else { throw RunCheckpointError.otherConfiguration(path: path, options: conflicts) }
  }

  /// Makes sure that a run on the given pictures may continue from here.
  ///
  /// - Throws: `RunCheckpointError.otherPictures`.
  public func requirePictures(instance: [String], class classImages: [String]) throws(RunCheckpointError) {
    guard instance == state.instanceImages else { throw .otherPictures(path: path, folder: .instanceDataDir) }
    guard classImages == state.classImages else { throw .otherPictures(path: path, folder: .classDataDir) }
  }

  /// Gives the parts their weights and the optimiser its moments and its step.
  ///
  /// All names and shapes are checked before the first number is changed.
  ///
  /// - Throws: `RunCheckpointError.otherModel`, `SafetensorsError`, `TensorFileError` or `FileError`.
  public func restore(_ parts: [TrainedPart], _ optimizer: AdamW) throws {
    let files = try parts.map { part in
      let weights = try SafetensorsFile(url.appending(path: part.weightsFile))
      let moments = try SafetensorsFile(url.appending(path: RunCheckpoint.optimizerFile(part)))
      let shapes = part.parameters.trainable.map { ($0.name, $0.specification.shape) }
      try requireShapes(weights, shapes)
      try requireShapes(
        moments,
        optimizer.quantizedMoments.isEmpty
          ? shapes.flatMap { [("exp_avg.\($0)", $1), ("exp_avg_sq.\($0)", $1)] }
          : shapes.flatMap { QuantizedState.shapes($0, $1) })
      return (weights, moments)
    }
    for (index, (part, (weights, moments))) in zip(parts, files).enumerated() {
      let store = part.parameters
      for parameter in store.trainable {
        let name = parameter.name
        parameter.assign(try weights.floats(name))
        if !optimizer.quantizedMoments.isEmpty {
          try QuantizedState(parameter, in: store, optimizer.quantizedMoments[index]).restore(from: moments)
          continue
        }
        store.write(try moments.floats("exp_avg.\(name)"), to: parameter, in: optimizer.moments1[index])
        store.write(try moments.floats("exp_avg_sq.\(name)"), to: parameter, in: optimizer.moments2[index])
      }
    }
    optimizer.resume(after: state.step, optimizerState)
  }

  private func requireShapes(_ file: SafetensorsFile, _ wanted: [(name: String, shape: Shape)]) throws {
    let names = Set(wanted.map(\.name))
    if let extra = file.names.first(where: { !names.contains($0) }) {
      throw RunCheckpointError.otherModel(path: path, reason: "it has a tensor '\(extra)'")
    }
    for (name, shape) in wanted {
      guard let entry = file.entries[name] else {
        throw RunCheckpointError.otherModel(path: path, reason: "it lacks '\(name)'")
      }
      guard entry.shape == shape else {
        throw RunCheckpointError.otherModel(path: path, reason: "'\(name)' is \(entry.shape) instead of \(shape)")
      }
    }
  }
}
