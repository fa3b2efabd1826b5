import Foundation

/// Reads the options of a config.json, one by one, and refuses whatever nobody asked for.
///
/// No option is ignored silently: it is read, or known to be without influence, or must have its default.
struct ConfigurationReader {
  /// The file's name, for error messages.
  let file: String
  private var unread: [String: JSONValue]

  /// The options of a JSON object.
  init(_ json: Data, file: String) throws(ConfigurationError) {
    self.file = file
    do {
      unread = try JSONDecoder().decode([String: JSONValue].self, from: json)
    } catch let error as DecodingError {
      throw .notJSON(file: file, reason: error.reason)
    } catch {
      throw .notJSON(file: file, reason: "\(error)")
    }
  }

  // MARK: - Options that are read

  /// A whole number within `range`.
  mutating func integer(
    _ option: String, default standard: Int, in range: ClosedRange<Int> = sizes
  ) throws(ConfigurationError) -> Int {
    guard let value = unread.removeValue(forKey: option) else { return standard }
    return try integer(value, option, range)
  }

  /// A list of whole numbers within `range`.
  mutating func integers(_ option: String, default standard: [Int]) throws(ConfigurationError) -> [Int] {
    guard let value = unread.removeValue(forKey: option) else { return standard }
    guard case .array(let elements) = value, !elements.isEmpty, elements.count <= Self.longestList else {
      throw wrong(option, value, "a list of whole numbers")
    }
    return try elements.map { element throws(ConfigurationError) in try integer(element, option, Self.sizes) }
  }

  /// One number for each of `count` blocks, written as a list or as one number for all of them.
  mutating func integersPerBlock(
    _ option: String, default standard: Int, count: Int, in range: ClosedRange<Int> = sizes
  ) throws(ConfigurationError) -> [Int] {
    guard let value = unread.removeValue(forKey: option) else { return Array(repeating: standard, count: count) }
    guard case .array(let elements) = value else {
      return Array(repeating: try integer(value, option, range), count: count)
    }
    guard elements.count == count else {
      throw .inconsistent(file: file, reason: "\(option) has \(elements.count) entries for \(count) blocks")
    }
    return try elements.map { element throws(ConfigurationError) in try integer(element, option, range) }
  }

  /// A height and a width, written as a pair or as one number for both; `nil` for null.
  mutating func size(_ option: String, default standard: Int?) throws(ConfigurationError) -> (height: Int, width: Int)?
  {
    switch unread.removeValue(forKey: option) {
    case nil: return standard.map { ($0, $0) }
    case .null?: return nil
    case .array(let pair)? where pair.count == 2:
      return (try integer(pair[0], option, Self.sizes), try integer(pair[1], option, Self.sizes))
    case let value?:
      let side = try integer(value, option, Self.sizes)
      return (side, side)
    }
  }

  /// A finite number.
  mutating func number(_ option: String, default standard: Double) throws(ConfigurationError) -> Double {
    guard let value = unread.removeValue(forKey: option) else { return standard }
    guard case .number(let number) = value, number.isFinite else { throw wrong(option, value, "a number") }
    return number
  }

  /// A finite number above zero.
  mutating func positive(_ option: String, default standard: Double) throws(ConfigurationError) -> Double {
    let value = try number(option, default: standard)
    guard value > 0 else { throw wrong(option, .number(value), "a number above 0") }
    return value
  }

  /// True or false.
  mutating func bool(_ option: String, default standard: Bool) throws(ConfigurationError) -> Bool {
    guard let value = unread.removeValue(forKey: option) else { return standard }
    guard case .bool(let bool) = value else { throw wrong(option, value, "true or false") }
    return bool
  }

  /// One of the names of an enumeration.
  mutating func choice<Choice: RawRepresentable<String> & CaseIterable>(
    _ option: String, default standard: Choice
  ) throws(ConfigurationError) -> Choice {
    guard let value = unread.removeValue(forKey: option) else { return standard }
    return try choice(value, option)
  }

  /// A list of names of an enumeration.
  mutating func choices<Choice: RawRepresentable<String> & CaseIterable>(
    _ option: String, default standard: [Choice]
  ) throws(ConfigurationError) -> [Choice] {
    guard let value = unread.removeValue(forKey: option) else { return standard }
    guard case .array(let elements) = value, !elements.isEmpty, elements.count <= Self.longestList else {
      throw wrong(option, value, "a list of names")
    }
    return try elements.map { element throws(ConfigurationError) in try choice(element, option) }
  }

  // MARK: - Options that may be left to somebody else

  /// A whole number within `range`; `nil` where the option is absent or null.
  mutating func integer(_ option: String, in range: ClosedRange<Int>) throws(ConfigurationError) -> Int? {
    guard let value = take(option) else { return nil }
    return try integer(value, option, range)
  }

  /// A finite number that is as `expected` says; `nil` where the option is absent or null.
  mutating func number(
    _ option: String, where isSensible: (Double) -> Bool, _ expected: String
  ) throws(ConfigurationError) -> Double? {
    guard let value = take(option) else { return nil }
    guard case .number(let number) = value, number.isFinite, isSensible(number) else {
      throw wrong(option, value, expected)
    }
    return number
  }

  /// A list of numbers within `range`; `nil` where the option is absent or null.
  mutating func numbers(
    _ option: String, in range: ClosedRange<Double>
  ) throws(ConfigurationError) -> [Double]? {
    guard let value = take(option) else { return nil }
    let expected = "a list of numbers in \(range.lowerBound)...\(range.upperBound)"
    guard case .array(let elements) = value else { throw wrong(option, value, expected) }
    return try elements.map { element throws(ConfigurationError) in
      guard case .number(let number) = element, range.contains(number) else { throw wrong(option, element, expected) }
      return number
    }
  }

  /// True or false; `nil` where the option is absent or null.
  mutating func bool(_ option: String) throws(ConfigurationError) -> Bool? {
    guard let value = take(option) else { return nil }
    guard case .bool(let bool) = value else { throw wrong(option, value, "true or false") }
    return bool
  }

  /// A text; `nil` where the option is absent or null.
  mutating func string(_ option: String) throws(ConfigurationError) -> String? {
    guard let value = take(option) else { return nil }
    guard case .string(let string) = value else { throw wrong(option, value, "a name") }
    return string
  }

  /// One of the names of an enumeration; `nil` where the option is absent or null.
  mutating func choice<Choice: RawRepresentable<String> & CaseIterable>(
    _ option: String
  ) throws(ConfigurationError) -> Choice? {
    guard let value = take(option) else { return nil }
    return try choice(value, option)
  }

  /// Takes an option out; `nil` where it is absent or null.
  private mutating func take(_ option: String) -> JSONValue? {
    let value = unread.removeValue(forKey: option)
    return value == .null ? nil : value
  }

  // MARK: - Options that are not read

  /// An option that may be absent or have one of the given values, and nothing else.
  mutating func only(_ option: String, _ supported: JSONValue...) throws(ConfigurationError) {
    guard let value = unread.removeValue(forKey: option), !supported.contains(value) else { return }
    throw .unsupported(
      file: file, option: option, value: "\(value)",
      supported: supported.map(\.description).joined(separator: " or "))
  }

  /// Options that do not change what the model computes here.
  mutating func ignore(_ options: String...) {
    for option in options { unread.removeValue(forKey: option) }
  }

  /// Refuses what was not asked for. Names that begin with an underscore are the libraries' own notes.
  func finish() throws(ConfigurationError) {
    let unknown = unread.filter { !$0.key.hasPrefix("_") }
    guard let first = unknown.min(by: { $0.key < $1.key }) else { return }
    throw .unknownOption(file: file, option: first.key, value: "\(first.value)")
  }

  // MARK: - Values

  /// What a number of channels, heads or pixels can be; keeps the products of a few of them far from overflow.
  static let sizes = 1...(1 << 20)
  /// How many layers a block, or blocks a model, can have.
  static let depths = 1...256
  private static let longestList = 256

  private func integer(
    _ value: JSONValue, _ option: String, _ range: ClosedRange<Int>
  ) throws(ConfigurationError) -> Int {
    guard let integer = value.integer, range.contains(integer) else {
      throw wrong(option, value, "a whole number in \(range.lowerBound)...\(range.upperBound)")
    }
    return integer
  }

  private func choice<Choice: RawRepresentable<String> & CaseIterable>(
    _ value: JSONValue, _ option: String
  ) throws(ConfigurationError) -> Choice {
    guard case .string(let name) = value else { throw wrong(option, value, "a name") }
    guard let choice = Choice(rawValue: name) else {
      throw .unsupported(
        file: file, option: option, value: name,
        supported: Choice.allCases.map(\.rawValue).joined(separator: ", "))
    }
    return choice
  }

  private func wrong(_ option: String, _ value: JSONValue, _ expected: String) -> ConfigurationError {
    .wrongValue(file: file, option: option, value: "\(value)", expected: expected)
  }
}
