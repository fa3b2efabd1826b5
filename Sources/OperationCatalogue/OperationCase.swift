import Tensor

/// One primitive with one set of extents: everything that tests and benchmarks need to know about it.
public struct OperationCase: Sendable, CustomStringConvertible {
  /// The primitive that is called.
  public let primitive: Primitive
  /// What sets this case apart from others of the primitive.
  public let name: String
  /// The inputs.
  public let operands: [Operand]
  /// The outputs.
  public let outputs: [Output]
  /// Whether numbers are moved or converted but not computed with, unless they are added to others.
  public let isMovement: Bool
  /// The arithmetic, as `OperationCost` counts it.
  public let flops: Int
  /// Calls the backend; tensors come in the order of `operands` and `outputs`.
  public let run: @Sendable (_ backend: any Backend, _ operands: [Tensor], _ outputs: [Destination]) -> Void
  /// The same by naive loops, without looking at any backend.
  public let reference: @Sendable (_ operands: [Values]) -> [Values]

  /// A case.
  public init(
    _ primitive: Primitive, _ name: String, operands: [Operand], outputs: [Output], flops: Int,
    isMovement: Bool = false,
    run: @escaping @Sendable (_ backend: any Backend, _ operands: [Tensor], _ outputs: [Destination]) -> Void,
    reference: @escaping @Sendable (_ operands: [Values]) -> [Values]
  ) {
    self.primitive = primitive
    self.name = name
    self.operands = operands
    self.outputs = outputs
    self.flops = flops
    self.isMovement = isMovement
    self.run = run
    self.reference = reference
  }

  /// A case whose arithmetic is a multiple of a number of elements, by `OperationCost.perElement`.
  public init(
    _ primitive: Primitive, _ name: String, operands: [Operand], outputs: [Output], elements: Int,
    isMovement: Bool = false,
    run: @escaping @Sendable (_ backend: any Backend, _ operands: [Tensor], _ outputs: [Destination]) -> Void,
    reference: @escaping @Sendable (_ operands: [Values]) -> [Values]
  ) {
    self.init(
      primitive, name, operands: operands, outputs: outputs, flops: OperationCost.perElement(primitive) * elements,
      isMovement: isMovement, run: run, reference: reference)
  }

  /// The primitive and what is special about the case.
  public var description: String { "\(primitive.rawValue) \(name)" }

  /// The bytes that must be read and written at least.
  public var bytes: Int {
    operands.reduce(0) { $0 + $1.shape.count * $1.dtype.byteCount }
      + outputs.reduce(0) { $0 + $1.shape.count * $1.dtype.byteCount }
  }

  /// The elements of all operands, the same on every call.
  public func operandValues() -> [Values] {
    var values: [Values] = []
    let seed = description.utf8.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    for (index, operand) in operands.enumerated() {
      values.append(operand.values(seed: seed &+ UInt64(index), after: values))
    }
    return values
  }
}

/// Every case of every primitive.
public enum OperationCatalogue {
  /// The types in which a device may compute.
  public static let computeTypes = DType.allCases.filter(\.isFloatingPoint)

  /// The cases that a backend must pass.
  public static let all: [OperationCase] =
    computeTypes.flatMap { computing(in: $0) } + fills + casts + movementOfIntegers + randomNumbers + optimizer

  /// The cases whose activations, weights and gradients are of one type; statistics, losses and the logarithms of
  /// sums of exponentials are Float32 throughout.
  ///
  /// The operands are rounded to the type before the reference sees them, and the tolerance grows by the rounding of
  /// the outputs, so that every case is as strict in a half type as it is in Float32.
  public static func computing(in dtype: DType) -> [OperationCase] {
    elementwise(dtype) + movement(dtype) + reductions(dtype) + matrixProducts(dtype) + convolutions(dtype)
      + normalizations(dtype) + attentions(dtype) + embeddings(dtype)
      + [1, 7, 1000, 70_001, 0].map {
        sumOfSquares($0, dtype)
      }
  }
}
