import Foundation
import OperationCatalogue
import Tensor
import TestSupport
import Testing

extension Device {
  /// Whether the device takes a case with its types. Any type is moved and converted, and steps of the optimiser take
  /// gradients of any type; everything else is computed in the types that the device names.
  func supports(_ operation: OperationCase, _ mode: WriteMode) -> Bool {
    if operation.isMovement && (mode == .overwrite || operation.primitive == .cast) { return true }
    if [.adamW, .adamWQuantized].contains(operation.primitive) { return true }
    let types = (operation.operands.map(\.dtype) + operation.outputs.map(\.dtype)).filter(\.isFloatingPoint)
    return backend.computeTypes.isSuperset(of: types)
  }

  /// How many elements stand guard on both sides of a tensor. An odd number aligns the tensor to its elements only,
  /// 128 to 16 bytes; where both are allowed, both are tried, as kernels take different paths.
  func guardWidths(_ primitive: Primitive) -> [Int] {
    isCPU ? [67] : primitive.mayRequireAlignment ? [128] : [67, 128]
  }
}

@Suite struct ConformanceTests {
  /// Every case on every device in every way of writing, poisoned and guarded.
  @Test(arguments: Primitive.allCases)
  func agreesWithTheReference(_ primitive: Primitive) {
    for operation in OperationCatalogue.all where operation.primitive == primitive {
      let runs = Device.allCases.flatMap { device in
        WriteMode.modes(of: operation).filter { device.supports(operation, $0) }.map { (device, $0) }
      }
      guard !runs.isEmpty else { continue }
      let operands = operation.operandValues()
      let reference = operation.reference(operands)
      for (device, mode) in runs {
        for guardWidth in device.guardWidths(primitive) {
          operation.check(
            on: device.backend, mode, guardWidth: guardWidth, operands: operands, reference: reference)
        }
      }
    }
  }

  /// The null backend takes every call and writes nothing.
  @Test func nullBackendTakesEveryCall() {
    let backend = NullBackend()
    for operation in OperationCatalogue.all {
      let operands = operation.operands.map { Tensor(empty: $0.shape, dtype: $0.dtype, on: backend) }
      let outputs = operation.outputs.map { Tensor(empty: $0.shape, dtype: $0.dtype, on: backend) }
      operation.run(backend, operands, outputs.map { .overwrite($0) })
      #expect(outputs.allSatisfy { $0.numbers().allSatisfy { $0 == 0 } })
    }
    #expect(backend.memory.live == 0)
  }
}

@Suite struct CatalogueTests {
  /// Requirements that are not operations; `MemoryTests` and `RecordingTests` cover them.
  private static let memoryRequirements: Set = [
    "allocate", "release", "upload", "download", "beginDownload", "synchronize", "record",
  ]

  @Test func everyRequirementOfTheBackendIsAPrimitive() throws {
    let source = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "../../../Sources/Tensor/Backend.swift")
    let text = try String(contentsOf: source, encoding: .utf8)
    let requirements = text.matches(of: /\n  func (\w+)\(/).map { String($0.output.1) }
    #expect(requirements.count == Set(requirements).count)
    #expect(Set(requirements) == Set(Primitive.allCases.map(\.rawValue)).union(Self.memoryRequirements))
  }

  @Test func everyPrimitiveHasCases() {
    let covered = Set(OperationCatalogue.all.map(\.primitive))
    #expect(covered == Set(Primitive.allCases))
  }

  /// What networks compute has cases in every type; the rest is always Float32.
  @Test(arguments: OperationCatalogue.computeTypes)
  func everyTypeHasCases(_ dtype: DType) {
    let alwaysSingle: Set<Primitive> = [.uniform, .normal, .clippingFactor, .countStep, .updateScale]
    let covered = OperationCatalogue.all.filter { operation in
      (operation.operands.map(\.dtype) + operation.outputs.map(\.dtype)).contains(dtype)
    }
    #expect(Set(covered.map(\.primitive)).isSuperset(of: Set(Primitive.allCases).subtracting(alwaysSingle)))
  }

  @Test(arguments: Device.allCases)
  func everyDeviceComputesEveryPrimitive(_ device: Device) {
    let computed = Set(OperationCatalogue.all.filter { device.supports($0, .overwrite) }.map(\.primitive))
    #expect(computed == Set(Primitive.allCases))
  }

  @Test func everyElementwiseFunctionHasCases() {
    let names = OperationCatalogue.all.map(\.description)
    for operation in UnaryOperation.allCases {
      #expect(names.contains { $0.hasPrefix("unary \(operation.rawValue) ") })
    }
    for operation in BinaryOperation.allCases {
      #expect(names.contains { $0.hasPrefix("binary \(operation.rawValue) ") })
    }
  }

  @Test func namesAreUnique() {
    let names = OperationCatalogue.all.map(\.description)
    let repeated = Dictionary(grouping: names, by: { $0 }).filter { $1.count > 1 }.keys
    #expect(repeated.isEmpty)
  }

  /// A bound that grew large would let wrong kernels pass. Errors are measured by the largest element or, where
  /// everything cancels, by the size of the inputs, which is about 1. In half types the loosest bounds are those of
  /// attention's derivatives, where an output, weights and their derivatives are rounded on the way: seven roundings.
  @Test func tolerancesAreTight() {
    for operation in OperationCatalogue.all {
      let limit = max(1e-3, 8 * (operation.operands.map(\.dtype.unitRoundoff).max() ?? 0))
      for (output, values) in zip(operation.outputs, operation.reference(operation.operandValues())) {
        #expect(values.shape.count == output.shape.count, "\(operation)")
        let largest = values.elements.map { abs($0.value) }.max() ?? 0
        let loosest = values.elements.map(\.error).max() ?? 0
        // Codes count steps: either of two neighbours at most, where a number lies between them.
        if output.dtype == .uint8 {
          #expect(loosest <= 0.5, "\(operation): ± \(loosest) codes")
          #expect(values.elements.count { $0.error > 0 } <= 1 + values.count / 100, "\(operation): too many open codes")
          continue
        }
        #expect(loosest <= limit * max(largest, 1), "\(operation): ± \(loosest) of \(largest)")
      }
    }
  }
}
