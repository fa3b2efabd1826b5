/// Why a single file cannot be used as a Stable Diffusion model.
public enum SingleFileError: Error, Equatable, CustomStringConvertible {
  /// The file holds something else.
  case notAModel(file: String, kind: WeightFileKind)
  /// The averaged weights were asked for and are not there.
  case noAverages(file: String)
  /// The model has another shape than the published ones, and nothing says which.
  case unusualShape(file: String, reason: String)
  /// A YAML file beside the model cannot be understood.
  case badYAML(file: String, reason: String)

  /// The file at fault and what to do about it.
  public var description: String {
    switch self {
    case .notAModel(let file, let kind):
      "\(file) is not a whole Stable Diffusion 1.x or 2.x model but: \(kind)"
    case .noAverages(let file): "\(file) holds no averaged (EMA) weights; leave out --ema"
    case .unusualShape(let file, let reason):
      "\(file) is not of a published model's shape, so --config must give the folder of a diffusers model of the same "
        + "shape: \(reason)"
    case .badYAML(let file, let reason): "\(file) is no configuration of a Stable Diffusion model: \(reason)"
    }
  }
}
