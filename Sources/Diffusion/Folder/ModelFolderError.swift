/// Why a folder cannot be used as a Stable Diffusion model, or written as one.
public enum ModelFolderError: Error, Equatable, CustomStringConvertible {
  /// There is neither a folder nor a file of that name.
  case notFound(path: String)
  /// A file that every model has is not there.
  case missingFile(file: String)
  /// A file is there but the system does not let it be read.
  case unreadable(file: String, reason: String)
  /// model_index.json describes a pipeline of another kind.
  case unsupportedPipeline(file: String, name: String)
  /// model_index.json lacks a part that the pipeline needs.
  case missingPart(file: String, part: String)
  /// model_index.json names a part, or a class of a part, that this project refuses.
  case unsupportedPart(file: String, part: String, found: String, supported: String)
  /// The weights are there, but in a form that is not read here.
  case unsupportedWeights(wanted: String, found: String)
  /// There is no such variant of the weights.
  case missingVariant(folder: String, variant: String)
  /// The weights are there in several variants, and nothing says which one is meant.
  case severalVariants(folder: String, variants: [String])
  /// The list of the shards of some weights cannot be followed.
  case badIndex(file: String, reason: String)
  /// The model asks for tensors that the file lacks.
  case missingKeys(file: String, keys: [String])
  /// The file holds tensors that the model does not have.
  case unexpectedKeys(file: String, keys: [String])
  /// Two tensors of the file stand for the same parameter.
  case ambiguousKeys(file: String, key: String, names: [String])
  /// A tensor has other extents than the model's configuration asks for.
  case wrongShape(file: String, key: String, found: Shape, expected: Shape)
  /// A tensor holds something other than real numbers.
  case wrongType(file: String, key: String, found: String)
  /// Two parts of the model do not fit together.
  case mismatch(folder: String, reason: String)
  /// Saving would remove something that this program did not write.
  case wouldRemove(entry: String)

  /// The file at fault and what to do about it.
  public var description: String {
    switch self {
    case .notFound(let path): "\(path) does not exist; give the folder of a diffusers model, or a single file"
    case .missingFile(let file): "\(file) is missing; the model's folder is incomplete, fetch it again"
    case .unreadable(let file, let reason): "\(file) cannot be read: \(reason)"
    case .unsupportedPipeline(let file, let name):
      "\(file) describes a \(name); only StableDiffusionPipeline is supported"
    case .missingPart(let file, let part): "\(file) lists no \(part), which a StableDiffusionPipeline needs"
    case .unsupportedPart(let file, let part, let found, let supported):
      "\(file) lists \(found) as \(part); supported: \(supported)"
    case .unsupportedWeights(let wanted, let found):
      "\(wanted) is missing and \(found) is not read here; load and save the model with diffusers' save_pretrained"
    case .missingVariant(let folder, let variant): "\(folder) holds no weights of the variant '\(variant)'"
    case .severalVariants(let folder, let variants):
      "\(folder) holds weights in several variants; choose one with --variant: \(variants.joined(separator: ", "))"
    case .badIndex(let file, let reason): "\(file) does not say where the weights are: \(reason)"
    case .missingKeys(let file, let keys):
      "\(file) lacks \(Self.listed(keys)) that the model's configuration calls for; they do not belong together"
    case .unexpectedKeys(let file, let keys):
      "\(file) holds \(Self.listed(keys)) that the model's configuration does not call for; they do not belong together"
    case .ambiguousKeys(let file, let key, let names):
      "\(file) holds \(key) more than once, as \(names.joined(separator: " and "))"
    case .wrongShape(let file, let key, let found, let expected):
      "\(file): \(key) has shape \(found), but the model's configuration calls for \(expected)"
    case .wrongType(let file, let key, let found):
      "\(file): \(key) holds \(found); weights must be F32, F16 or BF16"
    case .mismatch(let folder, let reason): "\(folder): the parts do not fit together: \(reason)"
    case .wouldRemove(let entry):
      "\(entry) is not part of a model written here and would be removed; save to a new folder or move it away"
    }
  }

  /// The number of keys and the first few of them.
  static func listed(_ keys: [String]) -> String {
    let first = keys.prefix(3).joined(separator: ", ")
    let tensors = keys.count == 1 ? "1 tensor" : "\(keys.count) tensors"
    return keys.count <= 3 ? "\(tensors) (\(first))" : "\(tensors) (\(first), …)"
  }
}
