/// The options of a run as one of its files has them.
///
/// An option that did not exist yet when the file was written has its default, with which runs do what they did before.
struct StoredConfiguration: Decodable {
  /// The options.
  let configuration: TrainingConfiguration

  /// - Throws: `DecodingError`, also where there is an option of a later version, which must not be passed over.
  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    let stored = try container.decode([String: OptionValue].self)
    let names = TrainingConfiguration.CodingKeys.allCases.map(\.rawValue)
    if let unknown = stored.keys.sorted().first(where: { !names.contains($0) }) {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "there is no option \(unknown)")
    }
    let defaults = try OptionValue.options(
      of: TrainingConfiguration(pretrainedModelNameOrPath: "", instanceDataDir: "", instancePrompt: "", outputDir: ""))
    let required: Set<TrainingConfiguration.CodingKeys> = [
      .pretrainedModelNameOrPath, .instanceDataDir, .instancePrompt, .outputDir,
    ]
    let optional = defaults.filter { name, _ in !required.contains { $0.rawValue == name } }
    configuration = try RunJSON.decoder.decode(
      TrainingConfiguration.self, from: RunJSON.encoder.encode(optional.merging(stored) { $1 }))
  }
}

/// The value of some option, whatever its type.
enum OptionValue: Codable, Hashable {
  case flag(Bool)
  case text(String)
  /// Apart from other numbers, since a Double does not hold every seed.
  case whole(UInt64)
  case number(Double)
  case list([OptionValue])
  case group([String: OptionValue])

  init(from decoder: any Decoder) throws {
    let value = try decoder.singleValueContainer()
    if let flag = try? value.decode(Bool.self) {
      self = .flag(flag)
    } else if let text = try? value.decode(String.self) {
      self = .text(text)
    } else if let whole = try? value.decode(UInt64.self) {
      self = .whole(whole)
    } else if let number = try? value.decode(Double.self) {
      self = .number(number)
    } else if let list = try? value.decode([OptionValue].self) {
      self = .list(list)
    } else {
      self = .group(try value.decode([String: OptionValue].self))
    }
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .flag(let flag): try container.encode(flag)
    case .text(let text): try container.encode(text)
    case .whole(let whole): try container.encode(whole)
    case .number(let number): try container.encode(number)
    case .list(let list): try container.encode(list)
    case .group(let group): try container.encode(group)
    }
  }

  /// Every option by its name, as JSON has it; those that are left out are not there.
  static func options(of configuration: TrainingConfiguration) throws -> [String: OptionValue] {
    try RunJSON.decoder.decode([String: OptionValue].self, from: RunJSON.encoder.encode(configuration))
  }
}
