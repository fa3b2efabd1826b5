import DreamBooth
import Foundation

/// What there is to say of a file of weights.
struct FileInspection: Encodable {
  struct Hashes: Encodable {
    let sha256: String
    let short: String
    let legacy: String
    let autov3: String?
  }

  let kind: String
  let format: String
  let tensors: Int
  let numbers: Int
  let dtypes: [String]
  let metadata: [String: String]
  let hashes: Hashes
  var oddities: [String]

  init(_ report: WeightFileReport) {
    kind = report.kind.description
    format = report.format.rawValue
    tensors = report.tensorCount
    numbers = report.numberCount
    dtypes = report.types.map(\.rawValue).sorted()
    metadata = report.metadata
    oddities = report.oddities
    hashes = Hashes(
      sha256: report.hashes.sha256, short: report.hashes.short, legacy: report.hashes.legacy,
      autov3: report.hashes.tensors)
  }

  var text: String {
    let millions = String(format: "%.2f", Double(numbers) / 1e6)
    var lines = [
      "\(kind) (\(format)): \(tensors) tensors, \(millions) M numbers, \(dtypes.joined(separator: " and "))",
      "sha256 \(hashes.sha256)",
      "hash \(hashes.short), legacy hash \(hashes.legacy)" + (hashes.autov3.map { ", AutoV3 \($0)" } ?? ""),
    ]
    lines += metadata.filter { $0.key.hasPrefix("modelspec.") }.sorted { $0.key < $1.key }.map {
      "\($0.key): \($0.value)"
    }
    return (lines + oddities).joined(separator: "\n")
  }
}
