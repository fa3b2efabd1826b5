/// What `TorchWriter` is to write: tensors in dictionaries, with plain values beside them.
///
/// Literals stand for themselves:
///
///     try TorchWriter.write(["state_dict": .tensors(items), "global_step": 470_000], to: url)
public indirect enum TorchContents {
  /// Python's `None`.
  case none
  case bool(Bool)
  case integer(Int)
  case real(Double)
  case string(String)
  /// The name of the item plays no part.
  case tensor(TensorItem)
  /// Keys and values in the order of the file. No key may come twice.
  case dictionary([(key: String, value: TorchContents)])

  /// A dictionary of tensors by their names.
  public static func tensors(_ items: [TensorItem]) -> TorchContents {
    .dictionary(items.map { (key: $0.name, value: .tensor($0)) })
  }
}

extension TorchContents: ExpressibleByDictionaryLiteral {
  /// A dictionary in the order in which it is written down.
  public init(dictionaryLiteral elements: (String, TorchContents)...) {
    self = .dictionary(elements.map { (key: $0, value: $1) })
  }
}

extension TorchContents: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByFloatLiteral, ExpressibleByStringLiteral
{
  /// Python's `None`.
  public init(nilLiteral: ()) { self = .none }
  /// A truth value.
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  /// An integer.
  public init(integerLiteral value: Int) { self = .integer(value) }
  /// A real number.
  public init(floatLiteral value: Double) { self = .real(value) }
  /// Text.
  public init(stringLiteral value: String) { self = .string(value) }
}
