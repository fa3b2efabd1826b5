/// Anything that a file of tensors holds: tensors, plain values, and lists and dictionaries of them.
public enum StoredValue: Sendable {
  /// Python's `None`.
  case none
  case bool(Bool)
  case integer(Int)
  case real(Double)
  case string(String)
  case bytes([UInt8])
  /// A list, a tuple or a set.
  case list([StoredValue])
  case dictionary(StoredDictionary)
  case tensor(StoredTensor)
  /// A tensor whose type of number is not supported, by the type's name.
  case unsupportedTensor(String)
  /// An object of Python's that is not understood and was not made, by the name of its class or function.
  case unknown(String)

  /// What a dictionary holds under a key, or nil where there is no such key or this is no dictionary.
  public subscript(_ key: String) -> StoredValue? { dictionary?[key] }

  /// The dictionary, or nil.
  public var dictionary: StoredDictionary? {
    if case .dictionary(let dictionary) = self { dictionary } else { nil }
  }

  /// The list, or nil.
  public var list: [StoredValue]? {
    if case .list(let list) = self { list } else { nil }
  }

  /// The tensor, or nil.
  public var tensor: StoredTensor? {
    if case .tensor(let tensor) = self { tensor } else { nil }
  }

  /// The text, or nil.
  public var string: String? {
    if case .string(let string) = self { string } else { nil }
  }

  /// The integer, or nil; a tensor that holds nothing but one counts as well.
  public var integer: Int? {
    switch self {
    case .integer(let integer): integer
    case .tensor(let tensor) where tensor.shape.count == 1: tensor.integers()?[0]
    default: nil
    }
  }
}

/// A dictionary that keeps the order in which its keys were entered.
public struct StoredDictionary: Sendable {
  /// One key and what it stands for. Keys are strings as a rule; optimizers use integers.
  public struct Pair: Sendable {
    /// The key.
    public let key: StoredValue
    /// What it stands for.
    public let value: StoredValue
  }

  /// All keys and values in order.
  public let pairs: [Pair]
  private let positions: [String: Int]

  /// A dictionary of the given pairs. Of two with the same string the later one counts, in the place of the first.
  init(_ pairs: some Sequence<(StoredValue, StoredValue)>) {
    var kept: [Pair] = []
    var positions: [String: Int] = [:]
    for (key, value) in pairs {
      let pair = Pair(key: key, value: value)
      if let name = key.string, let earlier = positions.updateValue(kept.count, forKey: name) {
        positions[name] = earlier
        kept[earlier] = pair
      } else {
        kept.append(pair)
      }
    }
    self.pairs = kept
    self.positions = positions
  }

  /// The value of a key, or nil where there is none.
  public subscript(_ key: String) -> StoredValue? { positions[key].map { pairs[$0].value } }

  /// The keys that are strings, in order.
  public var keys: [String] { pairs.compactMap(\.key.string) }
}
