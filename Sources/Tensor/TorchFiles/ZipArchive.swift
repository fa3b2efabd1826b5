import Foundation

/// The directory of a zip archive whose entries are stored as they are, without compression.
///
/// Everything that the archive says of itself is checked against the file: no entry lies beyond its end, within another
/// one or in the directory. Format: APPNOTE.TXT 6.3.10 of PKWARE, with the zip64 extensions.
struct ZipArchive {
  /// One file in the archive.
  struct Entry {
    let name: String
    /// Where its bytes stand, from its local header to behind the last.
    let extent: Range<Int>
    /// Where its bytes stand without the header.
    let range: Range<Int>
    /// Whether the bytes are the file's own, neither compressed nor encrypted.
    let isStored: Bool
  }

  static let localSignature: [UInt8] = [0x50, 0x4b, 0x03, 0x04]
  static let directorySignature: UInt32 = 0x0201_4b50
  static let endSignature: UInt32 = 0x0605_4b50
  static let end64Signature: UInt32 = 0x0606_4b50
  static let locatorSignature: UInt32 = 0x0706_4b50
  /// More entries than any model has tensors. Bounds the memory that a directory takes.
  static let entryLimit = 500_000

  /// The entries in the order of the directory.
  let entries: [Entry]
  private let positions: [String: Int]

  /// Reads the directory of an archive.
  ///
  /// - Throws: `TorchFileError.Problem`.
  init(_ bytes: UnsafeRawBufferPointer) throws {
    do {
      let end = try ZipEnd(bytes)
      var directory = ByteReader(UnsafeRawBufferPointer(rebasing: bytes[end.directory]))
      var entries: [Entry] = []
      var positions: [String: Int] = [:]
      for index in 0..<end.entryCount {
        let record = try ZipDirectoryRecord(&directory)
        guard positions.updateValue(index, forKey: record.name) == nil else {
          throw damaged("two entries are called '\(record.name)'")
        }
        entries.append(try record.entry(in: bytes, before: end.directory.lowerBound))
      }
      guard directory.remaining == 0 else { throw damaged("its directory has bytes that belong to no entry") }
      self.entries = entries
      self.positions = positions
    } catch is ByteReader.EndOfBytes {
      throw damaged("the zip archive is cut short")
    }
    try checkOverlaps()
  }

  /// The entry of a name, or nil.
  subscript(_ name: String) -> Entry? { positions[name].map { entries[$0] } }

  private func checkOverlaps() throws {
    var end = 0
    for entry in entries.sorted(by: { $0.extent.lowerBound < $1.extent.lowerBound }) {
      guard entry.extent.lowerBound >= end else { throw damaged("the entry '\(entry.name)' overlaps another one") }
      end = entry.extent.upperBound
    }
  }
}

private func damaged(_ reason: String) -> TorchFileError.Problem { .damagedArchive(reason) }

/// The records at the end of an archive, which say where its directory is.
private struct ZipEnd {
  let directory: Range<Int>
  let entryCount: Int

  init(_ bytes: UnsafeRawBufferPointer) throws {
    let position = try Self.position(in: bytes)
    var reader = ByteReader(bytes, at: position + 4)
    let disks = (try reader.integer(UInt16.self), try reader.integer(UInt16.self))
    var counts = (try reader.count(UInt16.self), try reader.count(UInt16.self))
    var size = try reader.count(UInt32.self)
    var offset = try reader.count(UInt32.self)
    var end = position
    if let wide = try Wide(bytes, before: position) {
      // What does not say "see the wide record" must say the same as it.
      guard counts.1 == 0xffff || counts.1 == wide.counts.1, size == 0xffff_ffff || size == wide.size,
        offset == 0xffff_ffff || offset == wide.offset
      else { throw damaged("the zip archive ends with two directories that differ") }
      (counts, size, offset, end) = (wide.counts, wide.size, wide.offset, wide.position)
    }
    guard disks == (0, 0), counts.0 == counts.1 else { throw damaged("the zip archive is one part of several") }
    guard counts.1 <= ZipArchive.entryLimit else {
      throw TorchFileError.Problem.tooLarge("it has \(counts.1) entries, more than \(ZipArchive.entryLimit)")
    }
    guard offset <= end, size == end - offset else {
      throw damaged("the directory of the zip archive is not where it should be; the file may be cut short")
    }
    directory = offset..<end
    entryCount = counts.1
  }

  /// Finds the last record, behind which stands nothing but a comment of the length that it tells.
  private static func position(in bytes: UnsafeRawBufferPointer) throws -> Int {
    let (length, longestComment) = (22, 0xffff)
    for position in stride(from: bytes.count - length, through: max(0, bytes.count - length - longestComment), by: -1) {
      var reader = ByteReader(bytes, at: position)
      guard try reader.integer(UInt32.self) == ZipArchive.endSignature else { continue }
      reader = ByteReader(bytes, at: position + length - 2)
      if try reader.count(UInt16.self) == reader.remaining { return position }
    }
    throw damaged("the zip archive has no end, so the file is cut short")
  }

  /// The record of archives with more than 65535 entries or 4 GB.
  private struct Wide {
    let position: Int
    let counts: (Int, Int)
    let size: Int
    let offset: Int

    init?(_ bytes: UnsafeRawBufferPointer, before end: Int) throws {
      guard end >= 20 else { return nil }
      var locator = ByteReader(bytes, at: end - 20)
      guard try locator.integer(UInt32.self) == ZipArchive.locatorSignature else { return nil }
      _ = try locator.integer(UInt32.self)
      position = try locator.count(UInt64.self)
      guard position <= end - 20 else { throw damaged("the zip64 record is not where it should be") }
      var reader = ByteReader(bytes, at: position)
      guard try reader.integer(UInt32.self) == ZipArchive.end64Signature else {
        throw damaged("the zip64 record is not where it should be")
      }
      // Its own length, two versions and two numbers of disks.
      _ = try reader.take(8 + 2 + 2 + 4 + 4)
      counts = (try reader.count(UInt64.self), try reader.count(UInt64.self))
      size = try reader.count(UInt64.self)
      offset = try reader.count(UInt64.self)
    }
  }
}

/// What the directory says of one entry.
private struct ZipDirectoryRecord {
  let name: String
  private let rawName: [UInt8]
  private let flags: UInt16
  private let method: UInt16
  private let sizes: (packed: Int, whole: Int)
  private let offset: Int

  init(_ reader: inout ByteReader) throws {
    guard try reader.integer(UInt32.self) == ZipArchive.directorySignature else {
      throw damaged("its directory holds something else than entries")
    }
    _ = try reader.take(2 + 2)
    flags = try reader.integer(UInt16.self)
    method = try reader.integer(UInt16.self)
    _ = try reader.take(2 + 2 + 4)
    let narrow = (packed: try reader.integer(UInt32.self), whole: try reader.integer(UInt32.self))
    let lengths = (try reader.count(UInt16.self), try reader.count(UInt16.self), try reader.count(UInt16.self))
    _ = try reader.take(2 + 2 + 4)
    let narrowOffset = try reader.integer(UInt32.self)
    rawName = Array(try reader.take(lengths.0))
    name = String(decoding: rawName, as: UTF8.self)
    var wide = try Self.wideField(in: try reader.take(lengths.1))
    _ = try reader.take(lengths.2)
    // Numbers that need 64 bits stand in an extra field, in this order, and only those.
    func widened(_ narrow: UInt32) throws -> Int {
      narrow == .max && wide != nil ? try wide!.count(UInt64.self) : Int(narrow)
    }
    let whole = try widened(narrow.whole)
    sizes = (try widened(narrow.packed), whole)
    offset = try widened(narrowOffset)
  }

  /// The extra field of zip64 numbers, if there is one.
  private static func wideField(in extra: UnsafeRawBufferPointer) throws -> ByteReader? {
    var reader = ByteReader(extra)
    while reader.remaining >= 4 {
      let identifier = try reader.integer(UInt16.self)
      let field = try reader.take(try reader.count(UInt16.self))
      if identifier == 1 { return ByteReader(field) }
    }
    return nil
  }

  /// Finds the entry's bytes behind its local header.
  func entry(in bytes: UnsafeRawBufferPointer, before limit: Int) throws -> ZipArchive.Entry {
    func misplaced() -> TorchFileError.Problem { damaged("the entry '\(name)' is not where the directory says") }
    guard offset <= limit else { throw misplaced() }
    var reader = ByteReader(UnsafeRawBufferPointer(rebasing: bytes[..<limit]), at: offset)
    guard Array(try reader.take(4)) == ZipArchive.localSignature else { throw misplaced() }
    _ = try reader.take(2 + 2)
    let localMethod = try reader.integer(UInt16.self)
    _ = try reader.take(2 + 2 + 4 + 4 + 4)
    let lengths = (try reader.count(UInt16.self), try reader.count(UInt16.self))
    guard try reader.take(lengths.0).elementsEqual(rawName), localMethod == method else { throw misplaced() }
    _ = try reader.take(lengths.1)
    let start = reader.position
    _ = try reader.take(sizes.packed)
    // Bit 0 of the flags says that an entry is encrypted. Method 0 is storing.
    let isStored = method == 0 && flags & 1 == 0
    guard !isStored || sizes.packed == sizes.whole else {
      throw damaged("the entry '\(name)' has two sizes, \(sizes.packed) and \(sizes.whole) bytes")
    }
    return ZipArchive.Entry(
      name: name, extent: offset..<reader.position, range: start..<reader.position, isStored: isStored)
  }
}
