/// Where the time of some work went, by primitive and by the extents of its operands.
public struct Profile: Sendable {
  /// What calls have in common that are counted together.
  public struct Kind: Sendable, Hashable, CustomStringConvertible {
    /// The primitive.
    public let primitive: Primitive
    /// What the call asks for besides, such as the name of a function.
    public let variant: String
    /// The extents of the operands.
    public let operands: [Shape]
    /// The extents of the outputs.
    public let outputs: [Shape]
    /// The type of the numbers that are computed.
    public let dtype: DType

    /// The call in one line.
    public var description: String {
      let words = [variant, operands.map(\.description).joined(separator: " "), "->"]
      let shapes = outputs.map(\.description).joined(separator: " ")
      return (words + [shapes, dtype.description]).filter { !$0.isEmpty }.joined(separator: " ")
    }
  }

  /// The sum over some calls.
  public struct Total: Sendable, Hashable {
    /// How many there were.
    public var count = 0
    /// The time they took.
    public var seconds = 0.0
    /// The bytes that they must read and write at least.
    public var bytes = 0
    /// Their arithmetic, as `OperationCost` counts it.
    public var flops = 0

    /// No calls.
    public init() {}

    /// The sum over the calls of both.
    public static func + (a: Total, b: Total) -> Total {
      var sum = a
      sum.count += b.count
      sum.seconds += b.seconds
      sum.bytes += b.bytes
      sum.flops += b.flops
      return sum
    }
  }

  /// The calls of each kind.
  public internal(set) var kinds: [Kind: Total] = [:]

  /// The calls of each primitive.
  public var primitives: [Primitive: Total] {
    kinds.reduce(into: [:]) { $0[$1.key.primitive] = ($0[$1.key.primitive] ?? Total()) + $1.value }
  }

  /// All calls.
  public var total: Total { kinds.values.reduce(Total(), +) }
}
