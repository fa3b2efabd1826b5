import Foundation
import TestSupport
import Testing

@testable import Tensor

/// Tensors are rearranged and converted on their way from file to file without being held in memory.
@Suite struct TensorItemTests {
  private let device = CPUBackend()

  /// [4, 3]: 0, 1, … 11.
  private var table: TensorItem { item("table", (0..<12).map(Float.init), [4, 3]) }

  private func item(_ name: String, _ values: [Float], _ shape: Shape) -> TensorItem {
    TensorItem(name, Tensor(values, shape, on: device))
  }

  private func item(_ name: String, _ values: [Int64], _ shape: Shape) -> TensorItem {
    TensorItem(name, shape, storedAs: .int64) { values.withUnsafeBytes { Array($0) } }
  }

  private func bytes(_ tensor: TensorItem) throws -> [UInt8] {
    var all: [UInt8] = []
    try tensor.write { all += $0 }
    return all
  }

  @Test func rowsAreCutOut() throws {
    let rows = table.rows(1..<3)
    #expect(rows.shape == [2, 3])
    #expect(try rows.floats() == [3, 4, 5, 6, 7, 8])
    #expect(try table.rows(2..<2).floats() == [])
  }

  @Test func partsAreJoined() throws {
    let joined = TensorItem.joined("joined", [table.rows(3..<4), table.rows(0..<2)])
    #expect(joined.shape == [3, 3] && joined.name == "joined")
    #expect(try joined.floats() == [9, 10, 11, 0, 1, 2, 3, 4, 5])
  }

  /// A cut through tensors that were joined: the bytes come in several pieces.
  @Test func rowsOfWhatWasJoinedAreCutOut() throws {
    let joined = TensorItem.joined("joined", [table, table, table])
    #expect(try joined.rows(3..<9).floats() == [9, 10, 11] + (0..<12).map(Float.init) + [0, 1, 2])
    let thirds = (0..<3).map { joined.rows($0 * 4..<($0 + 1) * 4) }
    for third in thirds { #expect(try bytes(third) == bytes(table)) }
  }

  @Test(arguments: [DType.float16, .bfloat16, .float32])
  func conversionRoundsAsOnTheDevice(_ dtype: DType) throws {
    // More than one chunk, in both signs and many magnitudes, with numbers that overflow a half.
    let count = (1 << 20) + 5
    let values = (0..<count).map { Float(bitPattern: UInt32(truncatingIfNeeded: $0 &* 2_654_435_761)) }
      .map { $0.isNaN ? 0 : $0 }
    let converted = item("values", values, [count]).converted(to: dtype)
    #expect(converted.dtype == StoredType(dtype))
    let expected = Tensor(values, [count], on: device).cast(to: dtype)
    #expect(try converted.floats() == expected.floats())
  }

  @Test func halvesAreWidenedExactly() throws {
    let halves = item("halves", [1.5, -2, 65504, 0x1p-24], [4]).converted(to: .float16)
    #expect(try halves.converted(to: .float32).floats() == [1.5, -2, 65504, 0x1p-24])
  }

  @Test func integersAreNotConverted() throws {
    let indices = item("indices", [0, 1, 2, 40_000_001] as [Int64], [1, 4])
    let converted = indices.converted(to: .float16)
    #expect(converted.dtype == .int64)
    #expect(try bytes(converted) == bytes(indices))
  }

  @Test func whatIsWrittenIsReadBack() throws {
    let home = try TemporaryFolder()
    let file = home.url.appending(path: "tensors.safetensors")
    var told: [String] = []
    let items = [
      table, table.rows(1..<2).named("row").reshaped([3, 1, 1]), item("ids", [3, 1, 2] as [Int64], [1, 3]),
      table.converted(to: .bfloat16).named("rounded"), item("empty", [Float](), [0, 7]),
    ].map { $0.reporting { told.append($0.name) } }
    try SafetensorsWriter.write(items, to: file)
    // Widest numbers first and then by name, as the format wants it.
    #expect(told == ["ids", "empty", "row", "table", "rounded"])
    let read = try SafetensorsFile(file)
    for item in items { #expect(try item.isStored(as: read.entry(item.name)), "\(item.name)") }
  }

  @Test func everyBitIsCompared() throws {
    let home = try TemporaryFolder()
    let file = home.url.appending(path: "tensors.safetensors")
    let joined = TensorItem.joined("joined", [table.rows(0..<1), table.rows(1..<4)])
    for byte in [0, 11, 12, 47] {
      var other = try bytes(table)
      other[byte] ^= 1
      let changed = other
      try SafetensorsWriter.write(
        [table.named("same"), TensorItem("changed", [4, 3], storedAs: .float32) { changed }], to: file)
      let read = try SafetensorsFile(file)
      #expect(try joined.isStored(as: read.entry("same")))
      #expect(try !joined.isStored(as: read.entry("changed")), "byte \(byte)")
    }
    try SafetensorsWriter.write([table.reshaped([3, 4]), table.converted(to: .float16).named("half")], to: file)
    let read = try SafetensorsFile(file)
    #expect(try !joined.isStored(as: read.entry("table")))
    #expect(try !joined.isStored(as: read.entry("half")))
  }

  /// Pages that were given back after a read come again with the next one.
  @Test func aLargeTensorCanBeReadTwice() throws {
    let home = try TemporaryFolder()
    let file = home.url.appending(path: "large.safetensors")
    let values = (0..<1_000_003).map(Float.init)
    try SafetensorsWriter.write([item("large", values, [1_000_003])], to: file)
    let large = TensorItem("large", copying: try SafetensorsFile(file).entry("large"))
    for _ in 0..<2 { #expect(try large.floats() == values) }
  }
}
