import ArgumentParser
import DreamBooth

/// The `--precision` flag of commands that make pictures.
struct PrecisionOption: ParsableArguments {
  @Option(
    help: """
      The type of the networks' arithmetic: fp32, fp16 or bf16. Left out, it is fp16 where the device has it, as in most \
      programs of this kind, and fp32 on the CPU.
      """)
  var precision: Precision?

  /// The type to compute in on a device.
  ///
  /// - Throws: `ValidationError` where the device does not have it.
  func computeType(on backend: any Backend) throws -> DType {
    guard let precision else { return backend.computeTypes.contains(.float16) ? .float16 : .float32 }
    return try precision.computeType(on: backend)
  }
}

/// A type of arithmetic, under its usual name.
enum Precision: String, CaseIterable, ExpressibleByArgument {
  case fp32, fp16, bf16

  /// The type in training, where weights and moments are Float32 in any case.
  var mixedPrecision: MixedPrecision {
    switch self {
    case .fp32: .no
    case .fp16: .fp16
    case .bf16: .bf16
    }
  }

  private var dtype: DType {
    switch self {
    case .fp32: .float32
    case .fp16: .float16
    case .bf16: .bfloat16
    }
  }

  /// The type to compute in on a device.
  ///
  /// - Throws: `ValidationError` where the device does not have it.
  func computeType(on backend: any Backend) throws -> DType {
    guard backend.computeTypes.contains(dtype) else {
      let known = Precision.allCases.filter { backend.computeTypes.contains($0.dtype) }
      throw ValidationError(
        "--precision \(rawValue) is not known on \(backend.name); it computes in: "
          + known.map(\.rawValue).joined(separator: ", "))
    }
    return dtype
  }
}
