import Foundation

/// What a file of weights is, and what is odd about it.
public struct WeightFileReport: Sendable {
  /// What the file holds.
  public let kind: WeightFileKind
  /// How the file is laid out.
  public let format: TensorFileFormat
  /// How many tensors it holds.
  public let tensorCount: Int
  /// How many numbers they hold together.
  public let numberCount: Int
  /// The types of the numbers.
  public let types: Set<StoredType>
  /// What a safetensors file says beside its tensors.
  public let metadata: [String: String]
  /// The digests by which people and programs know the file.
  public let hashes: WeightFileHashes
  /// What may surprise somebody, one sentence each.
  public let oddities: [String]

  /// Looks at a file, all of which is read for its digests.
  ///
  /// - Throws: what is wrong with the file.
  public init(_ url: URL) throws {
    let file = try TensorFileFormat.open(url)
    kind = WeightFileKind(file.entries.mapValues(\.shape))
    format = file.format
    tensorCount = file.entries.count
    numberCount = file.entries.values.reduce(0) { $0 + $1.shape.count }
    types = Set(file.entries.values.map(\.dtype))
    metadata = file.metadata
    hashes = try WeightFileHashes(url, file)
    oddities = Oddities(file, kind).sentences
  }
}

/// The digests by which people and programs know a file.
public struct WeightFileHashes: Sendable, Equatable {
  /// SHA-256 of the whole file.
  public let sha256: String
  /// What old releases of AUTOMATIC1111's WebUI show: of 64 KiB in the second megabyte, the first 8 digits.
  public let legacy: String
  /// Of what stands behind a safetensors header, which changes when a note is added: the first 12 digits (AutoV3).
  public let tensors: String?

  /// What newer releases show: the first 10 digits (AutoV2).
  public var short: String { String(sha256.prefix(10)) }

  init(_ url: URL, _ file: any TensorFile) throws {
    sha256 = try SHA256.hexadecimal(url)
    legacy = String(try SHA256.hexadecimal(url, 0x10_0000..<0x11_0000).prefix(8))
    guard file.format == .safetensors else {
      tensors = nil
      return
    }
    let header = try SafetensorsFile.headerByteCount(url)
    tensors = String(try SHA256.hexadecimal(url, header..<Int.max).prefix(12))
  }
}

/// Finds what is odd about a file.
private struct Oddities {
  private(set) var sentences: [String] = []
  private let file: any TensorFile

  init(_ file: any TensorFile, _ kind: WeightFileKind) {
    self.file = file
    if !file.ignored.isEmpty {
      sentences.append("It names Python functions or classes that are ignored: \(Self.listed(file.ignored)).")
    }
    if !file.unsupportedTypes.isEmpty {
      sentences.append("Some tensors are of unsupported types: \(Self.listed(Array(file.unsupportedTypes.keys))).")
    }
    let real = Set(file.entries.values.map(\.dtype)).filter(\.isReal)
    if real.count > 1 {
      sentences.append("The numbers are of several types: \(real.map(\.rawValue).sorted().joined(separator: ", ")).")
    }
    let damaged = file.names.filter { file.entries[$0]?.isFinite == false }
    if !damaged.isEmpty {
      sentences.append(
        "Some numbers are infinite or none at all, so that pictures become black: in \(Self.listed(damaged)).")
    }
    if case .singleFile(let kind) = kind { inspect(kind) }
  }

  private mutating func inspect(_ kind: SingleFileKind) {
    if kind.hasAverages {
      sentences.append("It holds averaged (EMA) weights beside the weights themselves; --ema takes the former.")
    }
    switch kind.generation {
    case .first: inspectCLIP()
    case .second: inspectOpenCLIP()
    }
    let prefixes = [
      SingleFileLayout.unetPrefix, SingleFileLayout.autoencoderPrefix, "cond_stage_model.", "model_ema.",
    ]
    let others = file.names.filter { name in !prefixes.contains { name.hasPrefix($0) } }
    if !others.isEmpty { sentences.append("These tensors belong to no network: \(Self.listed(others)).") }
  }

  private mutating func inspectCLIP() {
    let prefix = SingleFileLayout.TextLayout.clip.prefix
    if !file.names.contains(where: { $0.hasPrefix("\(prefix)text_model.") }) {
      sentences.append("The names of the text encoder lack 'text_model', which some programs do not understand.")
    }
    guard let name = file.names.first(where: { $0.hasSuffix("position_ids") }), let positions = file.entries[name]
    else {
      sentences.append("It lacks position_ids, without which strict programs refuse it; converting adds them.")
      return
    }
    let numbers = positions.integers().map { $0.map(Double.init) } ?? positions.floats()?.map(Double.init) ?? []
    if numbers != (0..<numbers.count).map(Double.init) {
      sentences.append("Its position_ids are damaged, by which some programs misread prompts; converting repairs them.")
    } else if positions.dtype != .int64 {
      sentences.append("Its position_ids are \(positions.dtype.rawValue) instead of I64; converting repairs them.")
    }
  }

  private mutating func inspectOpenCLIP() {
    let prefix = SingleFileLayout.TextLayout.openCLIP.prefix
    let blocks = file.names.compactMap { name -> Int? in
      guard name.hasPrefix("\(prefix)transformer.resblocks.") else { return nil }
      return Int(DottedName(String(name.dropFirst(prefix.count)))[2])
    }
    let missing = ["text_projection", "logit_scale"].filter { file.entries[prefix + $0] == nil }
    // 24 layers, of which 23 are used.
    let lacksLast = blocks.max() == 22
    if !missing.isEmpty || lacksLast {
      let names = (lacksLast ? ["resblocks.23"] : []) + missing
      sentences.append(
        "It lacks \(names.joined(separator: ", ")), without which strict programs refuse it; converting adds them.")
    }
  }

  private static func listed(_ names: [String]) -> String {
    let first = names.sorted().prefix(3).joined(separator: ", ")
    return names.count <= 3 ? first : "\(first) and \(names.count - 3) more"
  }
}
