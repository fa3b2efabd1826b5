import DreamBooth
import Foundation
import OperationCatalogue

/// The figures of `dbtool bench --operations`.
struct OperationsReport: Encodable {
  let device: String
  let dtype: String
  let copyBytesPerSecond: Double
  let flopsPerSecond: Double
  let operations: [OperationBenchmark]

  private let ceilings: MeasuredCeilings

  private enum CodingKeys: CodingKey {
    case device, dtype, copyBytesPerSecond, flopsPerSecond, operations
  }

  /// Measures some cases.
  init(_ cases: [OperationCase], _ dtype: DType, on device: any Backend) {
    ceilings = MeasuredCeilings(device, dtype)
    self.device = device.name
    self.dtype = dtype.description
    copyBytesPerSecond = ceilings.bytesPerSecond
    flopsPerSecond = ceilings.flopsPerSecond
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
