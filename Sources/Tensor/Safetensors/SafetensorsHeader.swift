/// The part of a safetensors file that says where each tensor stands.
struct SafetensorsHeader {
  /// What the format allows, in bytes.
  static let byteLimit = 100_000_000
  /// A quarter of a million, more than any model has. An entry takes several times the bytes of its text in memory.
  static let tensorLimit = 1 << 18
  /// Far more notes than any program leaves; they too take several times the bytes of their text.
  static let metadataLimit = 1 << 16
  /// As many extents as tensors of PyTorch have.
  static let rankLimit = 64

  struct Entry {
    let dtype: StoredType
    let shape: [Int]
    /// Where the numbers begin and end, counted from the end of the header.
    let begin, end: Int

    /// The bytes that the shape calls for, or nil when there cannot be so many.
    var byteCount: Int? {
      var total = dtype.byteCount
      for extent in shape {
        let (product, overflow) = total.multipliedReportingOverflow(by: extent)
        guard !overflow else { return nil }
        total = product
      }
      return total
    }
  }

  var metadata: [String: String] = [:]
  var entries: [String: Entry] = [:]

  /// Why the entries do not describe `byteCount` bytes of numbers exactly, if they do not.
  func problem(byteCount: Int) -> SafetensorsError.Problem? {
    var end = 0
    for (name, entry) in entries.sorted(by: {
      ($0.value.begin, $0.value.end, $0.key) < ($1.value.begin, $1.value.end, $1.key)
    }) {
      guard let needed = entry.byteCount else { return .wrongRange(tensor: name, "has the shape \(entry.shape)") }
      guard entry.begin == end else {
        return .wrongRange(tensor: name, "starts at byte \(entry.begin) instead of \(end)")
      }
      guard entry.end >= entry.begin else {
        return .wrongRange(tensor: name, "ends at byte \(entry.end), before it starts")
      }
      guard entry.end <= byteCount else {
        return .wrongRange(
          tensor: name, "ends at byte \(entry.end) of \(byteCount), so the file is cut short; fetch it again")
      }
      guard entry.end - entry.begin == needed else {
        return .wrongRange(
          tensor: name, "has \(entry.end - entry.begin) bytes where \(entry.shape) needs \(needed)")
      }
      end = entry.end
    }
    return end == byteCount ? nil : .unusedBytes("\(byteCount - end) bytes belong to no tensor")
  }
}
