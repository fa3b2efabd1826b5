import Foundation

/// The part of a safetensors file that says where each tensor stands.
struct SafetensorsHeader: Decodable {
  /// Enough for fifty thousand tensors. Reading JSON takes many times its size in memory, so the 100 MB that the
  /// format allows would be too much.
  static let byteLimit = 8 << 20

  struct Entry: Decodable {
    let dtype: StoredType
    let shape: [Int]
    let offsets: [Int]

    enum CodingKeys: String, CodingKey {
      case dtype, shape
      case offsets = "data_offsets"
    }

    /// The bytes that the shape calls for, or nil when it makes no sense.
    var byteCount: Int? {
      var total = dtype.byteCount
      for extent in shape {
        guard extent >= 0 else { return nil }
        let (product, overflow) = total.multipliedReportingOverflow(by: extent)
        guard !overflow else { return nil }
        total = product
      }
      return total
    }
  }

  private struct Key: CodingKey {
    let stringValue: String
    let intValue: Int? = nil
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  private(set) var metadata: [String: String] = [:]
  private(set) var entries: [String: Entry] = [:]

  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    for key in container.allKeys {
      if key.stringValue == "__metadata__" {
        metadata = try container.decode([String: String].self, forKey: key)
      } else {
        entries[key.stringValue] = try container.decode(Entry.self, forKey: key)
      }
    }
  }

  /// Why the entries do not describe `byteCount` bytes of numbers exactly, if they do not.
  func problem(byteCount: Int) -> SafetensorsError.Problem? {
    var end = 0
    for (name, entry) in entries.sorted(by: { ($0.value.offsets, $0.key) < ($1.value.offsets, $1.key) }) {
      guard entry.offsets.count == 2 else { return .wrongRange(tensor: name, "does not have two offsets") }
      guard let needed = entry.byteCount else { return .wrongRange(tensor: name, "has the shape \(entry.shape)") }
      let (first, last) = (entry.offsets[0], entry.offsets[1])
      guard first == end else { return .wrongRange(tensor: name, "starts at byte \(first) instead of \(end)") }
      guard last >= first, last <= byteCount else {
        return .wrongRange(tensor: name, "ends at byte \(last) of \(byteCount)")
      }
      guard last - first == needed else {
        return .wrongRange(tensor: name, "has \(last - first) bytes where \(entry.shape) needs \(needed)")
      }
      end = last
    }
    return end == byteCount ? nil : .unusedBytes("\(byteCount - end) bytes belong to no tensor")
  }
}

/// Orders pairs of offsets and names, so that empty tensors come before the tensor that follows them.
private func < (a: ([Int], String), b: ([Int], String)) -> Bool {
  a.0 == b.0 ? a.1 < b.1 : a.0.lexicographicallyPrecedes(b.0)
}
