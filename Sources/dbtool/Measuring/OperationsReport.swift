import DreamBooth
import Foundation
import OperationCatalogue

/// The figures of `dbtool bench --operations`.
struct OperationsReport: Encodable {
  /// Nothing in the catalogue has the name.
  struct NoOperation: Error, CustomStringConvertible {
    let filter: String

    var description: String {
      "no operation has '\(filter)' in its name; there are \(Primitive.allCases.map(\.rawValue).joined(separator: ", "))"
    }
  }

  let device: String
  let dtype: String
  let copyBytesPerSecond: Double
  let matrixProductFlopsPerSecond: Double
  let operations: [OperationBenchmark]

  private let ceilings: MeasuredCeilings

  private enum CodingKeys: CodingKey {
    case device, dtype, copyBytesPerSecond, matrixProductFlopsPerSecond, operations
  }

  /// Measures the cases whose names contain `filter`, all without one.
  init(batch: Int, _ dtype: DType, filter: String?, on device: any Backend) throws(NoOperation) {
    let cases = OperationCatalogue.stableDiffusion(batch: batch, dtype).filter { operation in
      filter.map { operation.description.localizedCaseInsensitiveContains($0) } ?? true
    }
    if cases.isEmpty { throw NoOperation(filter: filter ?? "") }
    ceilings = MeasuredCeilings(device, dtype)
    self.device = device.name
    self.dtype = dtype.description
    copyBytesPerSecond = ceilings.bytesPerSecond
    matrixProductFlopsPerSecond = ceilings.flopsPerSecond
    operations = cases.map { OperationBenchmark($0, on: device) }
  }

  /// The figures as a table.
  var text: String {
    var table = TextTable(["us"] + Rates.headings + ["operation"])
    for operation in operations {
      let rates = Rates(bytes: operation.bytes, flops: operation.flops, seconds: operation.seconds)
      table.add([String(format: "%.1f", operation.seconds * 1e6)] + rates.cells(ceilings) + [operation.name])
    }
    return "\(device), \(dtype). \(ceilings.text)\n\n\(table.text)"
  }
}
