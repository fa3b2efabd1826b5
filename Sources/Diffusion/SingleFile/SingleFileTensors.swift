import Foundation

extension ModelFolder {
  /// The tensors of a single file that holds this model, in the original layout.
  ///
  /// Besides the model's own there are those which strict readers ask for and nobody computes with.
  ///
  /// - Parameter dtype: the type of the numbers; if nil, that in which they are stored.
  /// - Throws: `ModelFolderError`, or why this model cannot be read.
  func singleFileTensors(as dtype: DType? = nil) throws -> [TensorItem] {
    let layout = layout
    var all = try ModelPart.allCases.flatMap { try originalTensors(of: $0, layout) }
    all += try unusedTensors(layout, beside: all)
    return dtype.map { dtype in all.map { $0.converted(to: dtype) } } ?? all
  }

  /// The tensors of a part under the names and with the extents of the original layout.
  private func originalTensors(of part: ModelPart, _ layout: SingleFileLayout) throws -> [TensorItem] {
    var names: [String] = []
    var pieces: [String: [(firstRow: Int, tensor: TensorItem)]] = [:]
    for (specification, tensor) in zip(try specifications(of: part), try tensors(of: part)) {
      let place = layout.place(of: specification, in: part)
      if pieces[place.name] == nil { names.append(place.name) }
      pieces[place.name, default: []].append((place.rows?.lowerBound ?? 0, tensor.reshaped(place.shape)))
    }
    return names.map { name in
      let parts = pieces[name]!.sorted { $0.firstRow < $1.firstRow }.map(\.tensor)
      return parts.count == 1 ? parts[0].named(name) : .joined(name, Self.ofOneType(parts))
    }
  }

  /// Tensors in one type: single precision where they differ.
  private static func ofOneType(_ tensors: [TensorItem]) -> [TensorItem] {
    Set(tensors.map(\.dtype)).count == 1 ? tensors : tensors.map { $0.converted(to: .float32) }
  }

  /// Tensors that change no picture: those of the file that this model comes from, else made up.
  ///
  /// The count of positions belongs to CLIP. Of OpenCLIP the last layer is left out, as the UNet attends to the states
  /// before it, and so is what compares texts with pictures; the model cannot be built without them, though.
  private func unusedTensors(_ layout: SingleFileLayout, beside tensors: [TensorItem]) throws -> [TensorItem] {
    let prefix = layout.text.prefix
    switch layout.text {
    case .clip:
      let count = textConfiguration.maximumLength
      let positions = TensorItem("\(prefix)text_model.embeddings.position_ids", [1, count], storedAs: .int64) {
        (0..<count).flatMap { Self.bytes(Int64($0)) }
      }
      return [positions]
    case .openCLIP:
      let width = textConfiguration.hiddenSize
      let (last, added) = Self.lastLayers(prefix, textConfiguration.layers)
      let block = tensors.filter { $0.name.hasPrefix(last) }.map { $0.named(added + $0.name.dropFirst(last.count)) }
      let identity = TensorItem("\(prefix)text_projection", [width, width], storedAs: .float32) {
        (0..<width * width).flatMap { Self.bytes(($0 % (width + 1) == 0 ? 1 : 0 as Float).bitPattern) }
      }
      // The logarithm of 100, where training of OpenCLIP ends.
      let scale = TensorItem("\(prefix)logit_scale", [], storedAs: .float32) { Self.bytes(Float(4.6051702).bitPattern) }
      let type = tensors.first { $0.name.hasPrefix(last) }.flatMap { DType($0.dtype) } ?? .float32
      return try (block + [identity, scale].map { $0.converted(to: type) }).map { try original($0) ?? $0 }
    }
  }

  /// What the names of the last layer of OpenCLIP that is used begin with, and those of the next.
  private static func lastLayers(_ prefix: String, _ layers: Int) -> (last: String, added: String) {
    ("\(prefix)transformer.resblocks.\(layers - 1).", "\(prefix)transformer.resblocks.\(layers).")
  }

  /// The tensor of the same name and extents in the single file that this model comes from.
  private func original(_ tensor: TensorItem) throws -> TensorItem? {
    guard case .singleFile(let file) = contents, let found = try file.tensor(tensor.name) else { return nil }
    return found.shape == tensor.shape ? found.named(tensor.name) : nil
  }

  /// A number as files have it.
  private static func bytes(_ number: some FixedWidthInteger) -> [UInt8] {
    (0..<number.bitWidth / 8).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) }
  }
}

extension DType {
  /// The type of stored real numbers that tensors can have too; nil for others.
  init?(_ stored: StoredType) {
    switch stored {
    case .float32: self = .float32
    case .float16: self = .float16
    case .bfloat16: self = .bfloat16
    default: return nil
    }
  }
}
