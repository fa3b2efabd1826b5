import Glibc

// Renaming, reshaping, cutting, joining and converting touch no bytes until an item is written, so a whole model can be
// rearranged before the first byte of it is read, and written with one tensor in memory at a time.

extension TensorItem {
  /// The same under another name.
  public func named(_ name: String) -> TensorItem { TensorItem(name, shape, dtype, produce: write) }

  /// The same numbers with other extents.
  public func reshaped(_ shape: Shape) -> TensorItem {
    require(shape.count == self.shape.count, "reshaped: \(name) has \(self.shape), which is not \(shape)")
    return TensorItem(name, shape, dtype, produce: write)
  }

  /// Some of the rows, that is, a range of the first axis.
  public func rows(_ rows: Range<Int>) -> TensorItem {
    require(
      shape.rank > 0 && rows.lowerBound >= 0 && rows.upperBound <= shape[0], "rows: \(name) has \(shape), not \(rows)")
    let rowBytes = byteCount / max(shape[0], 1)
    let wanted = rows.lowerBound * rowBytes..<rows.upperBound * rowBytes
    return TensorItem(name, shape.replacing(0, with: rows.count), dtype) { append in
      var offset = 0
      try write { bytes in
        let part = wanted.clamped(to: offset..<offset + bytes.count)
        if !part.isEmpty {
          try append(UnsafeRawBufferPointer(rebasing: bytes[part.lowerBound - offset..<part.upperBound - offset]))
        }
        offset += bytes.count
      }
    }
  }

  /// Several tensors one after the other along the first axis.
  public static func joined(_ name: String, _ parts: [TensorItem]) -> TensorItem {
    require(!parts.isEmpty, "joined: \(name) has no parts")
    let first = parts[0]
    for part in parts {
      require(
        part.dtype == first.dtype && part.shape.rank > 0
          && part.shape.replacing(0, with: 0) == first.shape.replacing(0, with: 0),
        "joined: \(part.name) is \(part.dtype) \(part.shape), \(first.name) is \(first.dtype) \(first.shape)")
    }
    let rows = parts.reduce(0) { $0 + $1.shape[0] }
    return TensorItem(name, first.shape.replacing(0, with: rows), first.dtype) { append in
      for part in parts { try part.write(to: append) }
    }
  }

  /// The same, telling somebody when it has been written.
  public func reporting(_ report: @escaping (TensorItem) throws -> Void) -> TensorItem {
    TensorItem(name, shape, dtype) { append in
      try write(to: append)
      try report(self)
    }
  }

  /// Whether a tensor of a file holds what this one would write: extents, type and every bit.
  ///
  /// - Throws: what making the numbers throws.
  public func isStored(as other: StoredTensor) throws -> Bool {
    guard other.dtype == dtype, other.shape == shape else { return false }
    return try other.withBytes { stored in
      var offset = 0
      var isEqual = true
      try write { bytes in
        if isEqual, let made = bytes.baseAddress, let found = stored.baseAddress {
          isEqual = memcmp(made, found + offset, bytes.count) == 0
        }
        offset += bytes.count
      }
      return isEqual
    }
  }
}
