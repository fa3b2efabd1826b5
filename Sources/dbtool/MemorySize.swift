import ArgumentParser
import Foundation

/// An amount of memory in bytes.
struct MemorySize: ExpressibleByArgument, Hashable, CustomStringConvertible {
  /// The bytes.
  let byteCount: Int

  private static let units: [(suffix: String, bytes: Double)] = [
    ("GiB", 0x1p30), ("MiB", 0x1p20), ("GB", 1e9), ("MB", 1e6), ("G", 1e9), ("M", 1e6),
  ]

  /// Reads a number and a unit, such as `9.9GB`; the case of letters does not matter.
  init?(argument: String) {
    for unit in MemorySize.units where argument.lowercased().hasSuffix(unit.suffix.lowercased()) {
      guard let number = Double(argument.dropLast(unit.suffix.count)), number > 0, number < 1e6 else { return nil }
      byteCount = Int(number * unit.bytes)
      return
    }
    return nil
  }

  /// A number of bytes.
  init(byteCount: Int) {
    self.byteCount = byteCount
  }

  /// The size in gigabytes of 10⁹ bytes each, or in megabytes of 10⁶ if it is small.
  var description: String {
    let isLarge = byteCount >= 100_000_000
    return String(format: "%.2f ", Double(byteCount) / (isLarge ? 1e9 : 1e6)) + (isLarge ? "GB" : "MB")
  }
}
