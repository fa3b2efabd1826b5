import Foundation

/// The files that hold the weights of one part of a model's folder, in any form that diffusers has ever written.
///
/// Weights stand in safetensors files or PyTorch's own, whole or in shards that an index lists, and perhaps in variants
/// such as `fp16` beside each other.
struct WeightFiles {
  /// The file, or the index of several, for error messages.
  let path: String
  private let files: [URL]
  /// The names that an index promises; nil where there is none.
  private let listed: Set<String>?

  /// Finds the weights of `part` in a model's folder.
  ///
  /// - Throws: `ModelFolderError` where there are none, or none that is read here.
  init(_ part: ModelPart, in folder: URL, variant: String?) throws {
    let home = folder.appending(path: part.folder, directoryHint: .isDirectory)
    let contents = Set((try? FileManager.default.contentsOfDirectory(atPath: home.path(percentEncoded: false))) ?? [])
    let forms = part.weightForms
    guard let name = try Self.choose(forms, contents, variant, wanted: folder.appending(path: part.weightsFile)) else {
      let wanted = folder.appending(path: part.weightsFile).path(percentEncoded: false)
      let others = contents.filter { name in [".msgpack", ".h5", ".ckpt", ".onnx"].contains { name.hasSuffix($0) } }
      guard let other = others.min() else { throw ModelFolderError.missingFile(file: wanted) }
      throw ModelFolderError.unsupportedWeights(wanted: wanted, found: other)
    }
    let url = home.appending(path: name)
    path = url.path(percentEncoded: false)
    guard name.hasSuffix(".json") else {
      (files, listed) = ([url], nil)
      return
    }
    let index = try ShardIndex(url)
    files = index.files.map { home.appending(path: $0) }
    listed = index.names
  }

  /// The best of the files there are: safetensors before others, whole files before shards, plain ones before variants.
  private static func choose(
    _ forms: [WeightForm], _ contents: Set<String>, _ variant: String?, wanted: URL
  ) throws -> String? {
    func first(_ variant: String?) -> String? { forms.flatMap { $0.names(variant) }.first(where: contents.contains) }
    if let variant {
      guard let name = first(variant) else {
        throw ModelFolderError.missingVariant(
          folder: wanted.deletingLastPathComponent().path(percentEncoded: false), variant: variant)
      }
      return name
    }
    if let name = first(nil) { return name }
    let variants = Set(contents.flatMap { name in forms.compactMap { $0.variant(of: name) } })
    guard variants.count <= 1 else {
      throw ModelFolderError.severalVariants(
        folder: wanted.deletingLastPathComponent().path(percentEncoded: false), variants: variants.sorted())
    }
    return variants.first.flatMap(first)
  }

  /// All tensors of all files.
  ///
  /// - Throws: what is wrong with a file, `ModelFolderError` where shards lack what
  ///   their index promises.
  func tensors() throws -> [TensorItem] {
    let tensors = try files.flatMap { url in
      let file = try TensorFileFormat.open(url)
      return try file.names.map { TensorItem($0, copying: try file.entry($0)) }
    }
    guard let listed else { return tensors }
    let missing = listed.subtracting(tensors.map(\.name))
    guard missing.isEmpty else { throw ModelFolderError.missingKeys(file: path, keys: missing.sorted()) }
    return tensors.filter { listed.contains($0.name) }
  }
}

/// One way in which the weights of a part are stored: `<stem>.<ending>`, perhaps in shards.
struct WeightForm {
  let stem: String
  let ending: String

  /// The names of the whole file and of an index of shards, which has had the variant in two places.
  func names(_ variant: String?) -> [String] {
    guard let variant else { return ["\(stem).\(ending)", "\(stem).\(ending).index.json"] }
    return [
      "\(stem).\(variant).\(ending)", "\(stem).\(ending).index.\(variant).json",
      "\(stem).\(variant).\(ending).index.json",
    ]
  }

  /// The variant that a file of this form is, or nil if the file is plain, a shard, or of another form.
  func variant(of name: String) -> String? {
    guard name.hasPrefix("\(stem).") else { return nil }
    let parts = name.dropFirst(stem.count + 1).split(separator: ".")
    let candidates = Set(parts.map(String.init)).subtracting([ending, "index", "json"])
    return candidates.first { names($0).contains(name) && !$0.contains("-of-") }
  }
}

/// The list of tensors and the shards that hold them.
private struct ShardIndex {
  private struct Contents: Decodable {
    let places: [String: String]

    enum CodingKeys: String, CodingKey { case places = "weight_map" }
  }

  /// Enough for thirty thousand tensors. Reading JSON takes many times its size in memory.
  private static let byteLimit = 4 << 20

  /// The names of the tensors.
  let names: Set<String>
  /// The names of the shards.
  let files: [String]

  /// Reads an index.
  ///
  /// - Throws: `ModelFolderError.badIndex` where it is none, or leads out of its folder; `FileError` or
  ///   `FileTooLargeError` where it cannot be read.
  init(_ url: URL) throws {
    let path = url.path(percentEncoded: false)
    let places: [String: String]
    do {
      places = try JSONDecoder().decode(Contents.self, from: SmallFile.read(url, byteLimit: Self.byteLimit)).places
    } catch let error as DecodingError {
      throw ModelFolderError.badIndex(file: path, reason: error.reason)
    }
    names = Set(places.keys)
    files = Set(places.values).sorted()
    for file in files where file.isEmpty || file.contains("/") || file.hasPrefix(".") {
      throw ModelFolderError.badIndex(file: path, reason: "it names '\(file)', which is no file of its folder")
    }
  }
}
