/// What a pickle describes: values, and calls that Python would make, which are noted down and never made.
///
/// Values refer to each other by index, so that no chain of them, however long, is ever followed by recursion.
struct PickleGraph {
  /// One value on the machine's stack.
  enum Value {
    case none
    case bool(Bool)
    case integer(Int)
    /// An integer that does not fit, as little-endian two's complement.
    case longInteger([UInt8])
    case real(Double)
    case string(String)
    case bytes([UInt8])
    /// Something that others may refer to: the index of its node.
    case node(Int)
  }

  /// Something with parts.
  enum Node {
    /// A list or a set.
    case list([Value])
    case tuple([Value])
    /// Keys and values by turns.
    case dictionary([Value])
    /// A function or a class, by its module and name joined with a dot.
    case global(String)
    /// The result of calling something. Kept apart, so that nodes of the other kinds stay small.
    indirect case call(Call)
    /// Something that stands outside the pickle, by its id.
    case persistent(Value)
  }

  /// A call that Python would make, and what it would then do to the result.
  struct Call {
    let callee: Value
    let arguments: Value
    /// What the object's state would be set from.
    var state: Value?
    /// What would be appended to the result.
    var items: [Value] = []
    /// The keys and values, by turns, that would be set in the result.
    var pairs: [Value] = []
  }

  /// All nodes in the order in which they were made.
  var nodes: [Node] = []
  /// What the pickle stands for as a whole.
  var root = Value.none

  /// The node that a value refers to.
  func node(_ value: Value) -> Node? {
    if case .node(let index) = value { nodes[index] } else { nil }
  }

  /// The name of a function or class.
  func global(_ value: Value) -> String? {
    if case .global(let name)? = node(value) { name } else { nil }
  }

  /// The elements of a tuple.
  func tuple(_ value: Value) -> [Value]? {
    if case .tuple(let elements)? = node(value) { elements } else { nil }
  }
}
