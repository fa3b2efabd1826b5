import DreamBooth
import Foundation

/// Columns of text, numbers to the right.
struct TextTable {
  private var rows: [[String]]

  /// A table with the given headings.
  init(_ headings: [String]) {
    rows = [headings]
  }

  /// Adds a row.
  mutating func add(_ cells: [String]) { rows.append(cells) }

  /// The rows as lines; all columns but the last, which is text, are aligned to the right.
  var text: String {
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      row.indices.map { column in
        column == row.count - 1
          ? row[column] : String(repeating: " ", count: widths[column] - row[column].count) + row[column]
      }.joined(separator: "  ")
    }.joined(separator: "\n")
  }

  /// A text followed by so many spaces that it is `width` wide.
  static func padded(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }
}

/// How fast something is beside the fastest that the device has shown.
struct Rates {
  let bytesPerSecond: Double
  let flopsPerSecond: Double

  init(bytes: Int, flops: Int, seconds: Double) {
    bytesPerSecond = seconds > 0 ? Double(bytes) / seconds : 0
    flopsPerSecond = seconds > 0 ? Double(flops) / seconds : 0
  }

  /// The headings of `cells`.
  static let headings = ["GB/s", "%", "GFLOP/s", "%"]

  /// Both rates, each with its share of what the device can do.
  func cells(_ ceilings: MeasuredCeilings) -> [String] {
    [
      String(format: "%.1f", bytesPerSecond / 1e9), share(bytesPerSecond, ceilings.bytesPerSecond),
      String(format: "%.1f", flopsPerSecond / 1e9), share(flopsPerSecond, ceilings.flopsPerSecond),
    ]
  }

  private func share(_ rate: Double, _ ceiling: Double) -> String { String(format: "%.0f", 100 * rate / ceiling) }
}

extension MeasuredCeilings {
  /// What was measured, in a line.
  var text: String {
    String(
      format: "A large copy moves %.1f GB/s; \(arithmetic): %.1f GFLOP/s. Both are 100 %% below.",
      bytesPerSecond / 1e9, flopsPerSecond / 1e9)
  }
}
