/// Builds zip archives byte by byte, also such that contradict themselves.
public struct StoredZip {
  /// What one entry says of itself, true or not.
  public struct Entry {
    /// Its name.
    public var name: String
    /// Its bytes.
    public var bytes: [UInt8]
    /// How it claims to be compressed; 0 is not at all.
    public var method: UInt16 = 0
    /// The flags; the first bit says that it is encrypted.
    public var flags: UInt16 = 0
    /// The size that the directory claims.
    public var packedSize: UInt32
    /// The size that the directory claims for the time when it is unpacked.
    public var size: UInt32
    /// How far the directory's offset is from the truth.
    public var misplacement: Int32 = 0

    /// An honest entry.
    public init(_ name: String, _ bytes: [UInt8]) {
      (self.name, self.bytes) = (name, bytes)
      (packedSize, size) = (UInt32(bytes.count), UInt32(bytes.count))
    }
  }

  private var file: [UInt8] = []

  /// An archive of the given entries. Checksums are left out: no reader of PyTorch's files looks at them.
  public static func archive(_ entries: [Entry], countsMissing: Int = 0) -> [UInt8] {
    var archive = StoredZip()
    var offsets: [Int] = []
    for entry in entries {
      offsets.append(archive.file.count)
      archive.put(UInt32(0x0403_4b50))
      archive.put(UInt16(20), entry.flags, entry.method)
      archive.put(UInt32(0), UInt32(0), UInt32(entry.bytes.count), UInt32(entry.bytes.count))
      archive.put(UInt16(entry.name.utf8.count), UInt16(0))
      archive.file += Array(entry.name.utf8) + entry.bytes
    }
    let start = archive.file.count
    for (entry, offset) in zip(entries, offsets) {
      archive.put(UInt32(0x0201_4b50))
      archive.put(UInt16(20), UInt16(20), entry.flags, entry.method)
      archive.put(UInt32(0), UInt32(0), entry.packedSize, entry.size)
      archive.put(UInt16(entry.name.utf8.count), UInt16(0), UInt16(0), UInt16(0), UInt16(0))
      archive.put(UInt32(0), UInt32(truncatingIfNeeded: offset + Int(entry.misplacement)))
      archive.file += Array(entry.name.utf8)
    }
    let count = UInt16(truncatingIfNeeded: entries.count + countsMissing)
    let size = UInt32(archive.file.count - start)
    archive.put(UInt32(0x0605_4b50))
    archive.put(UInt16(0), UInt16(0), count, count)
    archive.put(size, UInt32(start))
    archive.put(UInt16(0))
    return archive.file
  }

  private mutating func put<Integer: FixedWidthInteger>(_ integers: Integer...) {
    for integer in integers { withUnsafeBytes(of: integer.littleEndian) { file += $0 } }
  }
}
