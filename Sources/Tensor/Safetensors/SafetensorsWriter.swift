import Foundation

/// One tensor to be written to a safetensors file.
public struct SafetensorsItem {
  let name: String
  let shape: Shape
  let dtype: DType
  let make: () throws -> Tensor

  /// A tensor that is made, or fetched from its device, only when its turn has come.
  ///
  /// - Parameters:
  ///   - dtype: the type to store; real numbers are converted.
  ///   - make: yields a tensor of the given shape.
  public init(_ name: String, _ shape: Shape, _ dtype: DType = .float32, _ make: @escaping () throws -> Tensor) {
    self.name = name
    self.shape = shape
    self.dtype = dtype
    self.make = make
  }

  /// A tensor that is at hand.
  public init(_ name: String, _ tensor: Tensor) {
    self.init(name, tensor.shape, tensor.dtype) { tensor }
  }
}

/// Writes safetensors files, one tensor in memory at a time.
public enum SafetensorsWriter {
  /// Writes a file that appears only when it is complete.
  ///
  /// Tensors are ordered by alignment and then by name, and the metadata says `format: pt`, without which some readers
  /// refuse the file.
  ///
  /// - Throws: `FileError`, or what an item's `make` throws; a file that stood there before is then unharmed.
  public static func write(
    _ items: [SafetensorsItem], metadata: [String: String] = [:], to destination: URL
  ) throws {
    let ordered = items.sorted { ($1.dtype.byteCount, $0.name) < ($0.dtype.byteCount, $1.name) }
    var file = try AtomicFile(path: destination.path(percentEncoded: false))
    try file.append(try header(ordered, metadata))
    for item in ordered {
      let tensor = try item.make()
      require(tensor.shape == item.shape, "\(item.name): made \(tensor.shape), announced \(item.shape)")
      try append(tensor.cast(to: item.dtype), to: &file)
    }
    try file.commit()
  }

  private static func append(_ tensor: Tensor, to file: inout AtomicFile) throws {
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: tensor.byteCount, alignment: 64)
    defer { bytes.deallocate() }
    tensor.backend.download(tensor, into: bytes)
    try file.append(UnsafeRawBufferPointer(bytes))
  }

  private static func header(_ items: [SafetensorsItem], _ metadata: [String: String]) throws -> [UInt8] {
    struct Entry: Encodable {
      let dtype: String
      let shape: [Int]
      let data_offsets: [Int]
    }
    // Written by hand around the encoder, since the order of the entries should be that of the bytes.
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    func text(_ value: some Encodable) throws -> String { String(decoding: try encoder.encode(value), as: UTF8.self) }

    let format = metadata.merging(["format": "pt"]) { given, _ in given }
    var parts = ["\"__metadata__\":\(try text(format))"]
    var offset = 0
    for item in items {
      let end = offset + item.shape.count * item.dtype.byteCount
      let entry = Entry(
        dtype: StoredType(item.dtype).rawValue, shape: item.shape.dimensions, data_offsets: [offset, end])
      parts.append("\(try text(item.name)):\(try text(entry))")
      offset = end
    }
    let json = Array("{\(parts.joined(separator: ","))}".utf8)
    let padding = [UInt8](repeating: UInt8(ascii: " "), count: (8 - json.count % 8) % 8)
    let length = withUnsafeBytes(of: UInt64(json.count + padding.count).littleEndian) { Array($0) }
    return length + json + padding
  }
}
