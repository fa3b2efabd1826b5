import Foundation

/// A whole Stable Diffusion model in one file, in the layout of its original implementation.
struct SingleFile: Sendable {
  let url: URL
  let kind: SingleFileKind
  private(set) var options: ModelOptions
  private let file: any TensorFile
  /// The names in the file, by those that the layout has.
  private let names: [String: String]

  /// Opens a file and finds out what it holds.
  ///
  /// - Throws: `SingleFileError` where it is no model that is supported, or what is wrong with the file.
  init(_ url: URL, options: ModelOptions) throws {
    self.url = url
    self.options = options
    file = try TensorFileFormat.open(url)
    var names: [String: String] = [:]
    for name in file.names { names[Self.standardName(name)] = name }
    self.names = names
    let shapes = names.compactMapValues { [file] in file.entries[$0]?.shape }
    guard case .singleFile(let kind) = WeightFileKind(shapes) else {
      throw SingleFileError.notAModel(file: file.path, kind: WeightFileKind(shapes))
    }
    self.kind = kind
    guard !options.usesAverages || kind.hasAverages else { throw SingleFileError.noAverages(file: file.path) }
  }

  /// The name that the layout has for a tensor. Some programs leave out a part of the text encoder's.
  private static func standardName(_ name: String) -> String {
    let prefix = SingleFileLayout.TextLayout.clip.prefix
    guard name.hasPrefix(prefix), !name.hasPrefix("\(prefix)text_model.") else { return name }
    return "\(prefix)text_model.\(name.dropFirst(prefix.count))"
  }

  /// The same file, of which it is now known what its model predicts.
  func predicting(_ prediction: PredictionType) -> SingleFile {
    var known = self
    known.options.predictionType = prediction
    return known
  }

  /// The tokenizer of the folder that the user gave, else that of the published models, since no file holds one.
  ///
  /// - Throws: what is wrong with the user's folder.
  func tokenizer() throws -> CLIPTokenizer {
    if let folder = options.configuration {
      return try CLIPTokenizer(contentsOf: folder.appending(path: ModelFolder.tokenizerFolder))
    }
    return try .clip(padding: (kind.generation == .first ? StandardModel.sd15 : .sd21).paddingToken)
  }

  /// The path, as given.
  var path: String { file.path }

  /// What a safetensors file says beside its tensors.
  var metadata: [String: String] { file.metadata }

  /// Whether the file holds a tensor.
  func contains(_ name: String) -> Bool { names[name] != nil }

  /// A tensor by the name that the layout has for it, or nil.
  func tensor(_ name: String) throws -> TensorItem? {
    guard let stored = names[name] else { return nil }
    return TensorItem(name, copying: try file.entry(stored))
  }

  /// The tensors of a part by diffusers' names and in its form.
  ///
  /// - Throws: `ModelFolderError` where tensors are missing, not asked for, or of the wrong shape or type.
  func weights(
    of part: ModelPart, _ specifications: [ParameterSpecification], _ layout: SingleFileLayout
  ) throws -> [TensorItem] {
    let places = specifications.map { (parameter: $0, place: layout.place(of: $0, in: part)) }
    let usesAverages = part == .unet && options.usesAverages
    func found(_ place: SingleFileLayout.Place) throws -> TensorItem? {
      try tensor(usesAverages ? SingleFileLayout.averageName(place.name) : place.name)
    }
    let missing = try places.filter { try found($0.place) == nil }.map(\.place.name)
    guard missing.isEmpty else { throw ModelFolderError.missingKeys(file: path, keys: missing) }
    let known = Set(places.map(\.place.name))
    let unexpected = names.keys.filter { layout.isNeeded($0, of: part) && !known.contains($0) }
    guard unexpected.isEmpty else { throw ModelFolderError.unexpectedKeys(file: path, keys: unexpected.sorted()) }
    return try places.map { parameter, place in
      guard let whole = try found(place) else { throw ModelFolderError.missingKeys(file: path, keys: [place.name]) }
      let tensor = try rows(place, of: whole)
      guard tensor.shape.withoutTrailingOnes == parameter.shape.withoutTrailingOnes else {
        throw ModelFolderError.wrongShape(
          file: path, key: place.name, found: whole.shape, expected: place.shape)
      }
      return tensor.named(parameter.name).reshaped(parameter.shape)
    }
  }

  /// The rows of a tensor that are a parameter.
  private func rows(_ place: SingleFileLayout.Place, of tensor: TensorItem) throws -> TensorItem {
    guard let rows = place.rows else { return tensor }
    guard tensor.shape.rank > 0, tensor.shape[0] == 3 * rows.count else {
      let expected = place.shape.replacing(0, with: 3 * rows.count)
      throw ModelFolderError.wrongShape(file: path, key: place.name, found: tensor.shape, expected: expected)
    }
    return tensor.rows(rows)
  }
}

extension Shape {
  /// The extents without those at the end that are 1, in which convolutions of single pixels and matrices differ.
  var withoutTrailingOnes: Shape {
    var extents = dimensions
    while extents.count > 2, extents.last == 1 { extents.removeLast() }
    return Shape(extents)
  }
}
