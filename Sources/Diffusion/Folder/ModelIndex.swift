import Foundation

/// model_index.json: the parts of a pipeline and the classes that they are of.
struct ModelIndex {
  private var members: [String: JSONValue]

  private static let supported: [String: Set<String>] = [
    "unet": ["UNet2DConditionModel"], "vae": ["AutoencoderKL"], "text_encoder": ["CLIPTextModel"],
    "tokenizer": ["CLIPTokenizer", "CLIPTokenizerFast"],
  ]
  /// Parts that a pipeline works without, and works without here.
  private static let optional = ["safety_checker", "feature_extractor", "image_encoder"]

  /// The pipelines that a model may be written for, though they are not run here: the networks are the same.
  private static let convertible: Set<JSONValue> = [
    "StableDiffusionInpaintPipeline", "StableDiffusionInstructPix2PixPipeline", "StableDiffusionImg2ImgPipeline",
  ]

  /// Reads and checks a model_index.json.
  init(_ json: Data, file: String, for use: ModelOptions.Use) throws {
    do {
      members = try JSONDecoder().decode([String: JSONValue].self, from: json)
    } catch let error as DecodingError {
      throw ConfigurationError.notJSON(file: file, reason: error.reason)
    }
    let name = members["_class_name"] ?? .null
    guard name == "StableDiffusionPipeline" || use == .conversion && Self.convertible.contains(name) else {
      throw ModelFolderError.unsupportedPipeline(file: file, name: "\(name)")
    }
    for (part, supported) in Self.supported.sorted(by: { $0.key < $1.key }) {
      let name = try Self.className(members[part], part: part, file: file)
      guard supported.contains(name) else {
        throw ModelFolderError.unsupportedPart(
          file: file, part: part, found: name, supported: supported.sorted().joined(separator: ", "))
      }
    }
    _ = try Self.className(members["scheduler"], part: "scheduler", file: file)
    let known = Set(Self.supported.keys).union(Self.optional).union(["scheduler", "requires_safety_checker"])
    for (part, value) in members.sorted(by: { $0.key < $1.key })
    where !known.contains(part) && !part.hasPrefix("_") && value != [.null, .null] {
      throw ModelFolderError.unsupportedPart(
        file: file, part: part, found: "\(value)", supported: known.sorted().joined(separator: ", "))
    }
  }

  /// The class of a part, written as ["library", "class"].
  private static func className(_ value: JSONValue?, part: String, file: String) throws -> String {
    guard case .array(let pair)? = value, pair.count == 2, case .string(let name) = pair[1] else {
      throw ModelFolderError.missingPart(file: file, part: part)
    }
    return name
  }

  /// The optional parts that the index lists.
  var optionalParts: [String] {
    Self.optional.filter { part in
      guard case .array(let pair)? = members[part] else { return false }
      return pair.contains { $0 != .null }
    }
  }

  /// The index of a folder that holds some of the optional parts and no others.
  func json(with parts: [String]) throws -> Data {
    var members = members
    for part in Self.optional where members[part] != nil && !parts.contains(part) { members[part] = [.null, .null] }
    if !parts.contains("safety_checker") { members["requires_safety_checker"] = false }
    return try JSONValue.object(members).document()
  }
}
