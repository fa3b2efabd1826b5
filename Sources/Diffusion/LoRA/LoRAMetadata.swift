import Foundation

/// What diffusers writes into a LoRA's header under `lora_adapter_metadata`: PEFT's configuration of each network.
///
/// It is the only place where that layout has the strength of a LoRA.
struct LoRAMetadata {
  /// The header's entry.
  static let key = "lora_adapter_metadata"
  /// Ten times what the adapters of all layers take. Reading JSON takes many times its size in memory.
  private static let byteLimit = 1 << 20

  private let members: [String: JSONValue]
  private let file: String

  /// Reads the entry of a file; `nil` where there is none.
  init?(_ file: any TensorFile) throws {
    guard let text = file.metadata[Self.key] else { return nil }
    self.file = file.path
    guard text.utf8.count <= Self.byteLimit else {
      throw LoRAError.wrongMetadata(
        file: file.path, reason: "has \(text.utf8.count) bytes, more than the \(Self.byteLimit) that are read")
    }
    do {
      members = try JSONDecoder().decode([String: JSONValue].self, from: Data(text.utf8))
    } catch let error as DecodingError {
      throw LoRAError.wrongMetadata(file: file.path, reason: "is no JSON (\(error.reason))")
    }
  }

  /// The alpha of a layer: that of the first pattern that the layer's name ends with, or that of the network.
  func alpha(_ part: ModelPart, _ layer: String, rank: Int) throws -> Float {
    func member(_ name: String) -> JSONValue? { members["\(part.folder).\(name)"].flatMap { $0 == .null ? nil : $0 } }
    func number(_ value: JSONValue, _ name: String) throws -> Float {
      guard case .number(let number) = value, Float(number).isFinite else {
        throw LoRAError.wrongMetadata(file: file, reason: "has \(value) as \(part.folder).\(name)")
      }
      return Float(number)
    }
    if member("use_dora") == true {
      throw LoRAError.unsupported(file: file, key: "\(part.folder).use_dora", kind: "DoRA")
    }
    // Without any, the network's configuration is not there, and the factors are applied as they are.
    var alpha = try member("lora_alpha").map { try number($0, "lora_alpha") } ?? Float(rank)
    if case .object(let patterns)? = member("alpha_pattern") {
      for (pattern, value) in patterns.sorted(by: { $0.key < $1.key }) where try matches(pattern, layer) {
        alpha = try number(value, "alpha_pattern")
        break
      }
    }
    // Rank-stabilised scaling divides by the root of the rank.
    return member("use_rslora") == true ? alpha * Float(rank).squareRoot() : alpha
  }

  /// PEFT's rule, by which a pattern stands for the end of a path after a dot, or with ^ for the whole.
  ///
  /// Patterns are regular expressions there. Those that are more than a name are refused, as they may mean anything.
  private func matches(_ pattern: String, _ layer: String) throws -> Bool {
    let isWhole = pattern.hasPrefix("^")
    let name = (isWhole ? String(pattern.dropFirst()) : pattern).replacing("\\.", with: ".")
    guard name.utf8.allSatisfy({ $0 != UInt8(ascii: "*") && $0 != UInt8(ascii: "\\") && $0 != UInt8(ascii: "|") }),
      !name.contains(where: { "()[]{}+?$^".contains($0) })
    else {
      throw LoRAError.wrongMetadata(file: file, reason: "has the pattern '\(pattern)', which is more than a name")
    }
    let short = layer.hasPrefix("text_model.") ? String(layer.dropFirst("text_model.".count)) : layer
    return layer == name || short == name || !isWhole && layer.hasSuffix(".\(name)")
  }
}

extension LoRA {
  /// The text of `lora_adapter_metadata`: what PEFT's `LoraConfig` needs to be made again.
  func adapterMetadata() throws -> String {
    var members: [String: JSONValue] = [:]
    for (part, layers) in Dictionary(grouping: layers, by: \.part) {
      let rank = mostCommon(layers.map(\.rank))
      let alpha = mostCommon(layers.map(\.alpha))
      // Without the text encoder's prefix, so that the names fit those of transformers 5 as well as the older ones.
      func name(_ layer: Layer) -> String {
        layer.name.hasPrefix("text_model.") ? String(layer.name.dropFirst("text_model.".count)) : layer.name
      }
      func pattern(_ value: (Layer) -> JSONValue, where differs: (Layer) -> Bool) -> JSONValue {
        .object(Dictionary(uniqueKeysWithValues: layers.filter(differs).map { (name($0), value($0)) }))
      }
      let configuration: [String: JSONValue] = [
        "r": JSONValue(integerLiteral: rank),
        "lora_alpha": .number(Double(alpha)),
        "rank_pattern": pattern({ JSONValue(integerLiteral: $0.rank) }, where: { $0.rank != rank }),
        "alpha_pattern": pattern({ .number(Double($0.alpha)) }, where: { $0.alpha != alpha }),
        "target_modules": .array(layers.map { .string(name($0)) }),
        "lora_dropout": 0, "bias": "none", "peft_type": "LORA",
      ]
      for (key, value) in configuration { members["\(part.folder).\(key)"] = value }
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(members), as: UTF8.self)
  }

  /// The value that occurs most often, the smallest of several.
  private func mostCommon<Value: Hashable & Comparable>(_ values: [Value]) -> Value {
    let counts = Dictionary(values.map { ($0, 1) }, uniquingKeysWith: +)
    return counts.min { ($1.value, $0.key) < ($0.value, $1.key) }!.key
  }
}
