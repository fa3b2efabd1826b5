/// One of cuDNN's descriptors: made, filled and finalised in one go, and unchangeable from then on.
final class DNNDescriptor: Sendable {
  /// What cuDNN calls the descriptor.
  let pointer: UInt
  private let library: DNNLibrary
  /// What this descriptor refers to, kept alive as long as it is.
  private let references: [DNNDescriptor]

  /// A finalised descriptor.
  ///
  /// - Throws: `CUDALibraryError.failed` where cuDNN refuses an attribute or the whole.
  init(
    _ library: DNNLibrary, _ kind: DNNDescriptorKind, _ attributes: KeyValuePairs<DNNAttribute, DNNValue>
  ) throws(CUDALibraryError) {
    self.library = library
    references = attributes.flatMap(\.value.references)
    pointer = try Self.create(library, kind)
    for (attribute, value) in attributes { try set(attribute, value) }
    try library.require(library.finalize(pointer), "finalising cuDNN's \(kind) descriptor")
  }

  /// An empty descriptor that a query of `owner` fills.
  private init(_ kind: DNNDescriptorKind, filledBy owner: DNNDescriptor) throws(CUDALibraryError) {
    library = owner.library
    references = [owner]
    pointer = try Self.create(library, kind)
  }

  deinit { _ = library.destroyDescriptor(pointer) }

  private static func create(_ library: DNNLibrary, _ kind: DNNDescriptorKind) throws(CUDALibraryError) -> UInt {
    var pointer: UInt = 0
    try library.require(
      library.createDescriptor(kind.rawValue, &pointer), "creating a \(kind) descriptor of cuDNN")
    return pointer
  }
}

// MARK: - Writing

extension DNNDescriptor {
  private func set(_ attribute: DNNAttribute, _ value: DNNValue) throws(CUDALibraryError) {
    switch value {
    case .handle(let handle): try set(attribute, .handle, [handle])
    case .dataType(let type): try set(attribute, .dataType, [type.rawValue])
    case .flag(let flag): try set(attribute, .flag, [flag])
    case .integers(let integers): try set(attribute, .integer, integers.map(Int64.init))
    case .float(let number): try set(attribute, .float, [number])
    case .pointers(let pointers): try set(attribute, .pointer, pointers)
    case .convolutionMode(let mode): try set(attribute, .convolutionMode, [mode.rawValue])
    case .heuristicMode(let mode): try set(attribute, .heuristicMode, [mode.rawValue])
    case .pointwiseMode(let mode): try set(attribute, .pointwiseMode, [mode.rawValue])
    case .descriptors(let descriptors): try set(attribute, .descriptor, descriptors.map(\.pointer))
    }
  }

  private func set<Stored: BitwiseCopyable>(
    _ attribute: DNNAttribute, _ type: DNNValueType, _ values: [Stored]
  ) throws(CUDALibraryError) {
    let status = values.withUnsafeBytes {
      library.setAttribute(pointer, attribute.rawValue, type.rawValue, Int64(values.count), $0.baseAddress)
    }
    try library.require(status, "setting \(attribute) of a cuDNN descriptor")
  }
}

// MARK: - Reading

extension DNNDescriptor {
  /// One whole number.
  func integer(_ attribute: DNNAttribute) throws(CUDALibraryError) -> Int {
    var value: Int64 = 0
    _ = try get(attribute, .integer, 1, &value)
    return Int(value)
  }

  /// The type of a knob, of which there are too many to name.
  func knobType() throws(CUDALibraryError) -> Int {
    var value: CInt = 0
    _ = try get(.knobType, .knobType, 1, &value)
    return Int(value)
  }

  /// The notes on an engine. Notes of newer versions that are not known here are kept out.
  func numericalNotes() throws(CUDALibraryError) -> Set<DNNNumericalNote> {
    var notes = [CInt](repeating: 0, count: 32)
    let count = try get(.engineNumericalNotes, .numericalNote, notes.count, &notes)
    return Set(notes.prefix(count).compactMap(DNNNumericalNote.init(rawValue:)))
  }

  /// The descriptors that an attribute holds.
  ///
  /// - Parameter capacity: how many there may be; where it is left out, cuDNN is asked, which not every attribute allows.
  func descriptors(
    _ attribute: DNNAttribute, of kind: DNNDescriptorKind, capacity: Int? = nil
  ) throws(CUDALibraryError) -> [DNNDescriptor] {
    var count = capacity ?? 0
    if capacity == nil { count = try get(attribute, .descriptor, 0, nil) }
    var empty: [DNNDescriptor] = []
    for _ in 0..<count { empty.append(try DNNDescriptor(kind, filledBy: self)) }
    guard !empty.isEmpty else { return [] }
    var pointers = empty.map(\.pointer)
    return Array(empty.prefix(try get(attribute, .descriptor, pointers.count, &pointers)))
  }

  /// Fills `values` and returns how many there are; without room for any, how many there would be.
  private func get(
    _ attribute: DNNAttribute, _ type: DNNValueType, _ capacity: Int, _ values: UnsafeMutableRawPointer?
  ) throws(CUDALibraryError) -> Int {
    var count: Int64 = 0
    try library.require(
      library.getAttribute(pointer, attribute.rawValue, type.rawValue, Int64(capacity), &count, values),
      "reading \(attribute) of a cuDNN descriptor")
    return Int(count)
  }
}
