/// Why a run cannot be continued from a checkpoint, or cannot save one.
public enum RunCheckpointError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The disk has no room for a checkpoint, or for the model that a run ends with; nothing has been written.
  case notEnoughSpace(path: String, needed: Int, available: Int)
  /// There is no checkpoint in the output folder.
  case nothingToResume(folder: String)
  /// The path holds no whole checkpoint.
  case incomplete(path: String, reason: String)
  /// It was made by a run that computes something else.
  case otherConfiguration(path: String, options: [TrainingConfiguration.CodingKeys])
  /// The pictures of the run are no longer the same.
  case otherPictures(path: String, folder: TrainingConfiguration.CodingKeys)
  /// It holds a model of another shape.
  case otherModel(path: String, reason: String)
  /// The output folder holds checkpoints of an earlier run, which a new run would overwrite.
  case earlierRun(folder: String)

  /// One sentence that says what to do.
  public var description: String {
    switch self {
    case .notEnoughSpace(let path, let needed, let available):
      "\(path): saving needs \(megabytes(needed)), but only \(megabytes(available)) are free; make room, set "
        + "--checkpoints_total_limit, or choose another --output_dir"
    case .nothingToResume(let folder):
      "\(folder) holds no checkpoint to resume from; leave out --resume_from_checkpoint or check --output_dir"
    case .incomplete(let path, let reason):
      "\(path) is no whole checkpoint (\(reason)); choose an older one or `latest`"
    case .otherConfiguration(let path, let options):
      "\(path) comes from a run with other values of \(options.map { "--\($0.rawValue)" }.joined(separator: ", ")); "
        + "give the values stored in its state.json, or start a new run"
    case .otherPictures(let path, let folder):
      "\(path): the pictures in --\(folder.rawValue) are not those of the run; restore them, or start a new run"
    case .otherModel(let path, let reason):
      "\(path) belongs to another model (\(reason)); check --pretrained_model_name_or_path"
    case .earlierRun(let folder):
      "\(folder) holds checkpoints of an earlier run; continue it by --resume_from_checkpoint latest, or choose another "
        + "--output_dir"
    }
  }

  private func megabytes(_ bytes: Int) -> String { "\(bytes / 1_000_000) MB" }
}
