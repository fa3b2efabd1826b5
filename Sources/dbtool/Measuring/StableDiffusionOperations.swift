import ArgumentParser
import DreamBooth
import Foundation
import OperationCatalogue

/// The operations that `dbtool bench --operations` measures.
struct StableDiffusionOperations {
  private let batch: Int
  private let dtype: DType

  /// Nothing in the catalogue has the name.
  struct NoOperation: Error, CustomStringConvertible {
    let name: String

    var description: String {
      "no operation has '\(name)' in its name; there are \(Primitive.allCases.map(\.rawValue).joined(separator: ", "))"
    }
  }

  /// A line of the answers.
  private struct Answer: Encodable {
    let implementation = "dbtool"
    let device: String
    let operation: OperationBenchmark
  }

  /// Operations on batches of so many pictures.
  init(batch: Int, _ dtype: DType) {
    self.batch = batch
    self.dtype = dtype
  }

  /// The operations of some parts, or of all, whose names contain `filter`.
  func cases(of parts: [StableDiffusionPart], filter: String?) throws(NoOperation) -> [OperationCase] {
    let found = OperationCatalogue.stableDiffusion(
      parts.isEmpty ? StableDiffusionPart.allCases : parts, batch: batch, dtype
    )
    .filter { operation in filter.map { operation.description.localizedCaseInsensitiveContains($0) } ?? true }
    if found.isEmpty { throw NoOperation(name: filter ?? "") }
    return found
  }

  /// Measures every operation that standard input names, until there is no more input.
  func answer(on device: any Backend) throws {
    let known = Dictionary(
      uniqueKeysWithValues: OperationCatalogue.stableDiffusion(StableDiffusionPart.allCases, batch: batch, dtype)
        .map { ($0.description, $0) })
    while let name = readLine() {
      guard let operation = known[name] else { throw NoOperation(name: name) }
      let answer = Answer(device: device.name, operation: OperationBenchmark(operation, on: device))
      Terminal.standardOutput.write(try JSON.text(answer, isPretty: false) + "\n")
    }
  }
}

extension StableDiffusionPart: ExpressibleByArgument {
  static let list = allCases.map(\.rawValue).joined(separator: ", ")
}
