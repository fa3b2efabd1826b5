import Foundation

/// A file of named tensors in any of the formats that models are passed around in.
///
/// `TensorFileFormat.open` tells the formats apart. Numbers stay on the disk until they are asked for.
public protocol TensorFile: Sendable {
  /// The path, as given.
  var path: String { get }
  /// How the file is laid out.
  var format: TensorFileFormat { get }
  /// All tensors of the model by name: in a checkpoint of PyTorch, those of the innermost `state_dict`.
  var entries: [String: StoredTensor] { get }
  /// The names of all tensors, in the order in which the file lists them.
  var names: [String] { get }
  /// What a safetensors file says in its header beside the tensors; empty in other files.
  var metadata: [String: String] { get }
  /// The whole contents: tensors by name, or what a checkpoint wraps around them, such as `global_step`.
  var root: StoredValue { get }
  /// Tensors whose type of number is not read here: the names of the types, by the tensors' names.
  var unsupportedTypes: [String: String] { get }
  /// The names of Python's functions and classes that the file would have PyTorch call and that are ignored here.
  var ignored: [String] { get }
}

extension TensorFile {
  /// Where a tensor stands, its type and its shape.
  ///
  /// - Throws: `TensorFileError` when there is none of that name, or its numbers are of an unsupported type.
  public func entry(_ name: String) throws -> StoredTensor {
    if let entry = entries[name] { return entry }
    if let type = unsupportedTypes[name] {
      throw TensorFileError(path: path, problem: .unsupportedType(tensor: name, type: type))
    }
    throw TensorFileError(path: path, problem: .missing(tensor: name))
  }

  /// A tensor of real numbers, whatever their width, in single precision.
  ///
  /// - Throws: `TensorFileError` when there is none of that name or it holds integers.
  public func floats(_ name: String) throws -> [Float] {
    let entry = try entry(name)
    guard let floats = entry.floats() else { throw wrongType(name, entry, wanted: "real numbers") }
    return floats
  }

  /// A tensor of 32-bit or 64-bit integers, all of which must fit into 32 bits.
  ///
  /// - Throws: `TensorFileError` when there is none of that name, it holds other types or larger numbers.
  public func int32s(_ name: String) throws -> [Int32] {
    let entry = try entry(name)
    guard let integers = entry.integers() else { throw wrongType(name, entry, wanted: "integers") }
    let narrow = integers.compactMap { Int32(exactly: $0) }
    guard narrow.count == integers.count else { throw wrongType(name, entry, wanted: "integers below 2^31") }
    return narrow
  }

  /// The numbers of a tensor of unsigned bytes.
  ///
  /// - Throws: `TensorFileError` when the tensor is missing or of another type.
  public func bytes(_ name: String) throws -> [UInt8] {
    let entry = try entry(name)
    guard entry.dtype == .uint8 else { throw wrongType(name, entry, wanted: "unsigned bytes") }
    return entry.bytes()
  }

  /// The bytes of a tensor in C order.
  ///
  /// - Throws: `TensorFileError` when there is none of that name, or what `body` throws.
  public func withBytes<Result>(_ name: String, _ body: (UnsafeRawBufferPointer) throws -> Result) throws -> Result {
    try entry(name).withBytes(body)
  }

  private func wrongType(_ name: String, _ entry: StoredTensor, wanted: String) -> TensorFileError {
    TensorFileError(path: path, problem: .wrongType(tensor: name, is: entry.dtype.rawValue, wanted: wanted))
  }
}

/// What a well-formed file of tensors does not hold, or a file that is none.
public struct TensorFileError: Error, CustomStringConvertible, Sendable {
  /// What is wrong.
  public enum Problem: Sendable, Hashable {
    /// The file is in none of the formats; what it looks like instead.
    case unknownFormat(String)
    case missing(tensor: String)
    case wrongType(tensor: String, is: String, wanted: String)
    case unsupportedType(tensor: String, type: String)
  }

  /// The path of the file.
  public let path: String
  /// What is wrong with it.
  public let problem: Problem

  /// One line for people.
  public var description: String {
    switch problem {
    case .unknownFormat(let found):
      "\(path) is neither a safetensors file nor one of PyTorch's: \(found)"
    case .missing(let tensor): "\(path) has no tensor '\(tensor)'"
    case .wrongType(let tensor, let type, let wanted):
      "\(path): tensor '\(tensor)' holds \(type), but \(wanted) is needed"
    case .unsupportedType(let tensor, let type):
      "\(path): tensor '\(tensor)' holds numbers of the type \(type), which is not supported; convert it in PyTorch"
    }
  }
}
