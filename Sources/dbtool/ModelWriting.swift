import ArgumentParser
import DreamBooth
import Foundation

/// The forms in which a whole model is written.
enum ModelForm: String, ExpressibleByArgument, CaseIterable {
  case diffusers
  case safetensors
  case ckpt

  /// What the name of a file or folder ends in says.
  init(ofName name: String) {
    switch (name as NSString).pathExtension.lowercased() {
    case "safetensors": self = .safetensors
    case "ckpt", "pt", "pth": self = .ckpt
    default: self = .diffusers
    }
  }
}

/// In which type numbers are written.
struct NumberOptions: ParsableArguments {
  @Flag(inversion: .prefixedNo, exclusivity: .chooseLast, help: "Store half-precision numbers, half the size.")
  var half = false

  @Flag(inversion: .prefixedNo, exclusivity: .chooseLast, help: "Store bfloat16 numbers, half the size.")
  var bf16 = false

  func validate() throws {
    if half && bf16 { throw ValidationError("--half and --bf16 exclude each other") }
  }

  /// The type; nil for that in which they are stored.
  var dtype: DType? { half ? .float16 : bf16 ? .bfloat16 : nil }
}

extension ModelFolder {
  /// Writes a model, in the form that the name says unless there is another, and shows how far it is.
  func write(to output: String, as form: ModelForm?, _ dtype: DType?) throws {
    let destination = URL(filePath: output)
    try WritingLine.show { progress in
      switch form ?? ModelForm(ofName: output) {
      case .diffusers: try save(to: destination, dtype: dtype, isChecked: true, progress: progress)
      case .safetensors: try saveSingleFile(to: destination, format: .safetensors, dtype: dtype, progress: progress)
      case .ckpt: try saveSingleFile(to: destination, format: .ckpt, dtype: dtype, progress: progress)
      }
    }
    print(output)
  }
}
