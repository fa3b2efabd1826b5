/// Writes a zip archive of stored entries into a file, each beginning at a multiple of 64 bytes as PyTorch has it.
struct ZipWriter: ~Copyable {
  /// The first number that does not fit into the records' 32 bits, where it would mean that a wider one follows.
  static let wideFrom = 0xffff_ffff
  /// The distance that lets PyTorch map tensors into memory wherever they stand.
  static let alignment = 64

  private struct Entry {
    let name: [UInt8]
    let offset: Int
    let byteCount: Int
    var checksum: UInt32 = 0
  }

  private var file: AtomicFile
  private let wideFrom: Int
  private var entries: [Entry] = []
  private var position = 0
  private var checksum = CRC32()
  /// Where the bytes of the entry end that is being written.
  private var entryEnd = 0

  /// Begins an archive in a new file.
  ///
  /// - Parameter wideFrom: the first number that is written in 64 bits; smaller ones only serve tests.
  init(_ file: consuming AtomicFile, wideFrom: Int = ZipWriter.wideFrom) {
    self.file = file
    self.wideFrom = wideFrom
  }

  /// Adds a whole entry.
  mutating func add(_ name: String, _ bytes: [UInt8]) throws {
    try begin(name, byteCount: bytes.count)
    try bytes.withUnsafeBytes { try append($0) }
    try end()
  }

  /// Begins an entry of the given size.
  mutating func begin(_ name: String, byteCount: Int) throws {
    let entry = Entry(name: Array(name.utf8), offset: position, byteCount: byteCount)
    checksum = CRC32()
    try put(localHeader(entry))
    entryEnd = position + byteCount
    entries.append(entry)
  }

  /// Adds bytes to the entry that was begun last.
  mutating func append(_ bytes: UnsafeRawBufferPointer) throws {
    checksum.append(bytes)
    try file.append(bytes)
    position += bytes.count
  }

  /// Ends an entry: its checksum goes to its header.
  mutating func end() throws {
    let last = entries.count - 1
    require(position == entryEnd, "ZipWriter: an entry ends at byte \(position), announced for \(entryEnd)")
    entries[last].checksum = checksum.value
    try file.overwrite(record { $0.put(checksum.value) }, at: entries[last].offset + Self.checksumOffset)
  }

  /// Writes the directory and puts the file in its place.
  mutating func commit() throws {
    let start = position
    for entry in entries { try put(directoryRecord(entry)) }
    try put(endRecords(directory: start..<position))
    try file.commit()
  }

  private mutating func put(_ bytes: [UInt8]) throws {
    try file.append(bytes)
    position += bytes.count
  }
}

// MARK: - Records

extension ZipWriter {
  private static let checksumOffset = 14
  /// Names are in UTF-8.
  private static let flags: UInt16 = 0x0800
  /// The earliest date that the format can tell: the same tensors make the same file.
  private static let date: UInt16 = 0x0021

  private func isWide(_ number: Int) -> Bool { number >= wideFrom }

  /// What stands in 32 bits for a number: itself, or the sign that it stands elsewhere.
  private func narrow(_ number: Int) -> UInt32 { isWide(number) ? .max : UInt32(number) }

  /// The version of the format that a reader must know.
  private func version(wide: Bool) -> UInt16 { wide ? 45 : 20 }

  private func record(_ write: (inout Record) -> Void) -> [UInt8] {
    var record = Record()
    write(&record)
    return record.bytes
  }

  private struct Record {
    var bytes: [UInt8] = []
    mutating func put(_ integer: some FixedWidthInteger) { withUnsafeBytes(of: integer.littleEndian) { bytes += $0 } }
  }

  /// What stands before an entry's bytes, filled up so that these are aligned.
  private func localHeader(_ entry: Entry) -> [UInt8] {
    let wide = isWide(entry.byteCount)
    var extra = Record()
    if wide {
      extra.put(UInt16(1))
      extra.put(UInt16(16))
      extra.put(UInt64(entry.byteCount))
      extra.put(UInt64(entry.byteCount))
    }
    let (fixed, fillerHeader) = (30, 4)
    let unaligned = position + fixed + entry.name.count + extra.bytes.count + fillerHeader
    let filler = (Self.alignment - unaligned % Self.alignment) % Self.alignment
    // PyTorch's own sign for bytes without a meaning.
    extra.bytes += Array("FB".utf8)
    extra.put(UInt16(filler))
    extra.bytes += [UInt8](repeating: UInt8(ascii: "Z"), count: filler)
    return record {
      $0.bytes += ZipArchive.localSignature
      $0.put(version(wide: wide))
      putDescription(of: entry, size: wide ? .max : UInt32(entry.byteCount), to: &$0)
      $0.put(UInt16(extra.bytes.count))
      $0.bytes += entry.name
      $0.bytes += extra.bytes
    }
  }

  /// The fields that local headers and the directory share: flags, method, time, date, checksum, sizes, length of name.
  private func putDescription(of entry: Entry, size: UInt32, to record: inout Record) {
    record.put(Self.flags)
    record.put(UInt16(0))
    record.put(UInt16(0))
    record.put(Self.date)
    record.put(entry.checksum)
    record.put(size)
    record.put(size)
    record.put(UInt16(entry.name.count))
  }

  private func directoryRecord(_ entry: Entry) -> [UInt8] {
    var wide = Record()
    if isWide(entry.byteCount) {
      wide.put(UInt64(entry.byteCount))
      wide.put(UInt64(entry.byteCount))
    }
    if isWide(entry.offset) { wide.put(UInt64(entry.offset)) }
    let needsWide = !wide.bytes.isEmpty
    return record {
      $0.put(ZipArchive.directorySignature)
      $0.put(version(wide: needsWide))
      $0.put(version(wide: needsWide))
      putDescription(of: entry, size: narrow(entry.byteCount), to: &$0)
      $0.put(UInt16(needsWide ? wide.bytes.count + 4 : 0))
      // No comment, first disk, no attributes.
      $0.put(UInt16(0))
      $0.put(UInt16(0))
      $0.put(UInt16(0))
      $0.put(UInt32(0))
      $0.put(narrow(entry.offset))
      $0.bytes += entry.name
      if needsWide {
        $0.put(UInt16(1))
        $0.put(UInt16(wide.bytes.count))
        $0.bytes += wide.bytes
      }
    }
  }

  private func endRecords(directory: Range<Int>) -> [UInt8] {
    let count = entries.count
    let narrowCount = count >= 0xffff || isWide(count) ? UInt16.max : UInt16(count)
    return record {
      if narrowCount == .max || isWide(directory.upperBound) {
        putWideEnd(directory, to: &$0)
      }
      $0.put(ZipArchive.endSignature)
      $0.put(UInt32(0))
      $0.put(narrowCount)
      $0.put(narrowCount)
      $0.put(narrow(directory.count))
      $0.put(narrow(directory.lowerBound))
      $0.put(UInt16(0))
    }
  }

  /// The zip64 record and the locator that leads to it.
  private func putWideEnd(_ directory: Range<Int>, to record: inout Record) {
    record.put(ZipArchive.end64Signature)
    record.put(UInt64(44))
    record.put(version(wide: true))
    record.put(version(wide: true))
    record.put(UInt64(0))
    record.put(UInt64(entries.count))
    record.put(UInt64(entries.count))
    record.put(UInt64(directory.count))
    record.put(UInt64(directory.lowerBound))
    record.put(ZipArchive.locatorSignature)
    record.put(UInt32(0))
    record.put(UInt64(directory.upperBound))
    record.put(UInt32(1))
  }
}
