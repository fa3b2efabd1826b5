/// Where the parts of a file stand in the zip archive that `torch.save` writes: `<name>/data.pkl` and, for each storage,
/// `<name>/data/<key>`. Any name will do.
struct TorchArchiveLayout {
  let graph: PickleGraph
  private let archive: ZipArchive
  private let prefix: String
  /// A pickle describes tensors and holds none; those of the largest models have a few megabytes.
  private static let pickleByteLimit = 256 << 20

  /// Reads the directory and the pickle.
  ///
  /// - Throws: `TorchFileError.Problem`.
  init(_ bytes: UnsafeRawBufferPointer) throws {
    archive = try ZipArchive(bytes)
    let pickles = archive.entries.filter { $0.name == "data.pkl" || $0.name.hasSuffix("/data.pkl") }
    guard let pickle = pickles.first else { throw TorchFileError.Problem.missingEntry("data.pkl") }
    guard pickles.count == 1 else {
      throw TorchFileError.Problem.damagedArchive("it has \(pickles.count) entries called data.pkl")
    }
    prefix = String(pickle.name.dropLast("data.pkl".count))
    guard archive["\(prefix)constants.pkl"] == nil else { throw TorchFileError.Problem.torchScript }
    let contents = try Self.contents(pickle, of: bytes)
    if let order = archive["\(prefix)byteorder"] {
      guard try Self.contents(order, of: bytes).elementsEqual("little".utf8) else {
        throw TorchFileError.Problem.bigEndian
      }
    }
    guard contents.count <= Self.pickleByteLimit else {
      throw TorchFileError.Problem.tooLarge("its pickle has \(contents.count) bytes")
    }
    var reader = ByteReader(contents)
    graph = try PickleMachine.run(&reader)
  }

  private static func contents(
    _ entry: ZipArchive.Entry, of bytes: UnsafeRawBufferPointer
  ) throws -> UnsafeRawBufferPointer {
    guard entry.isStored else { throw TorchFileError.Problem.packedEntry(entry.name) }
    return UnsafeRawBufferPointer(rebasing: bytes[entry.range])
  }

  /// Where the bytes of a storage stand in the file.
  ///
  /// - Throws: `TorchFileError.Problem` where there are fewer than it should have.
  func locate(_ storage: TorchStorage) throws -> Range<Int> {
    let name = "\(prefix)data/\(storage.key)"
    guard let entry = archive[name] else { throw TorchFileError.Problem.missingEntry(name) }
    guard entry.isStored else { throw TorchFileError.Problem.packedEntry(name) }
    return try storage.range(in: entry.range)
  }
}
