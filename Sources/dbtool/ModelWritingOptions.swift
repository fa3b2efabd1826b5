import ArgumentParser
import DreamBooth
import Foundation

/// The forms in which a whole model is written.
enum ModelForm: String, ExpressibleByArgument, CaseIterable {
  case diffusers
  case safetensors
  case ckpt

  static let list = allCases.map(\.rawValue).joined(separator: ", ")
}

/// In which form and which type a model is written.
struct ModelWritingOptions: ParsableArguments {
  @Option(help: "The form: \(ModelForm.list). (default: what the name ends in says)")
  var format: ModelForm?

  @Flag(inversion: .prefixedNo, exclusivity: .chooseLast, help: "Store half-precision numbers, half the size.")
  var half = false

  @Flag(inversion: .prefixedNo, exclusivity: .chooseLast, help: "Store bfloat16 numbers, half the size.")
  var bf16 = false

  func validate() throws {
    if half && bf16 { throw ValidationError("--half and --bf16 exclude each other") }
  }

  /// Makes sure that nothing stands where a model is to be written.
  func requireFree(_ output: String) throws { try OutputPath.requireFree(output) }

  /// The type of the numbers; nil for that in which they are stored.
  private var dtype: DType? { half ? .float16 : bf16 ? .bfloat16 : nil }

  private func form(_ output: String) -> ModelForm {
    if let format { return format }
    switch (output as NSString).pathExtension.lowercased() {
    case "safetensors": return .safetensors
    case "ckpt", "pt", "pth": return .ckpt
    default: return .diffusers
    }
  }

  /// Writes a model and shows how far it is.
  func write(_ model: ModelFolder, to output: String) throws {
    let destination = URL(filePath: output)
    try WritingLine.show { progress in
      switch form(output) {
      case .diffusers: try model.save(to: destination, dtype: dtype, isChecked: true, progress: progress)
      case .safetensors:
        try model.saveSingleFile(to: destination, format: .safetensors, dtype: dtype, progress: progress)
      case .ckpt: try model.saveSingleFile(to: destination, format: .ckpt, dtype: dtype, progress: progress)
      }
    }
    print(output)
  }
}
