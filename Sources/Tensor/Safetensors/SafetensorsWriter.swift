import Foundation

/// Writes safetensors files, one tensor in memory at a time.
public enum SafetensorsWriter {
  /// Writes a file that appears only when it is complete.
  ///
  /// Tensors are ordered by alignment and then by name, and the metadata says `format: pt`, without which some readers
  /// refuse the file.
  ///
  /// - Throws: `FileError`, or what making an item throws; a file that stood there before is then unharmed.
  public static func write(
    _ items: [TensorItem], metadata: [String: String] = [:], to destination: URL
  ) throws {
    let ordered = inFileOrder(items)
    var file = try AtomicFile(path: destination.path(percentEncoded: false))
    try file.append(try header(ordered, metadata))
    for item in ordered {
      try item.write { try file.append($0) }
    }
    try file.commit()
  }

  /// SHA-256 of the numbers of a file with these tensors, without its header, by which programs know LoRAs.
  ///
  /// - Throws: what making an item throws.
  public static func digest(_ items: [TensorItem]) throws -> String {
    var digest = SHA256()
    for item in inFileOrder(items) { try item.write { digest.update($0) } }
    return digest.hexadecimal()
  }

  private static func inFileOrder(_ items: [TensorItem]) -> [TensorItem] {
    items.sorted { ($1.dtype.byteCount, $0.name) < ($0.dtype.byteCount, $1.name) }
  }

  private static func header(_ items: [TensorItem], _ metadata: [String: String]) throws -> [UInt8] {
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
      let end = offset + item.byteCount
      let entry = Entry(
        dtype: item.dtype.rawValue, shape: item.shape.dimensions, data_offsets: [offset, end])
      parts.append("\(try text(item.name)):\(try text(entry))")
      offset = end
    }
    let json = Array("{\(parts.joined(separator: ","))}".utf8)
    let padding = [UInt8](repeating: UInt8(ascii: " "), count: (8 - json.count % 8) % 8)
    let length = withUnsafeBytes(of: UInt64(json.count + padding.count).littleEndian) { Array($0) }
    return length + json + padding
  }
}
