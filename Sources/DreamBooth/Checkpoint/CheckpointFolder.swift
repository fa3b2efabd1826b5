import Foundation

/// The checkpoints in the output folder of a run.
struct CheckpointFolder: Sendable {
  /// The output folder.
  let url: URL

  /// The checkpoints under an output folder, which need not exist yet.
  init(_ url: URL) {
    self.url = url
  }

  private static let prefix = "checkpoint-"

  static func url(ofStep step: Int, in folder: URL) -> URL {
    folder.appending(path: "\(prefix)\(step)", directoryHint: .isDirectory)
  }

  static func size(of file: URL) throws -> Int {
    let path = file.path(percentEncoded: false)
    do {
      return (try FileManager.default.attributesOfItem(atPath: path)[.size] as? NSNumber)?.intValue ?? 0
    } catch {
      throw FileError(path: path, action: .read, underlying: error)
    }
  }

  /// The steps of all folders named like a checkpoint, whole or not, in rising order.
  func steps() throws -> [Int] {
    let path = url.path(percentEncoded: false)
    guard FileManager.default.fileExists(atPath: path) else { return [] }
    do {
      return try FileManager.default.contentsOfDirectory(atPath: path).compactMap { name in
        guard name.hasPrefix(CheckpointFolder.prefix) else { return nil }
        return Int(name.dropFirst(CheckpointFolder.prefix.count))
      }.sorted()
    } catch {
      throw FileError(path: path, action: .read, underlying: error)
    }
  }

  /// The newest whole checkpoint; incomplete ones are passed over.
  ///
  /// - Parameter warn: is told why a newer one is not used.
  /// - Throws: `RunCheckpointError.nothingToResume`.
  func latest(warn: (String) -> Void) throws -> RunCheckpoint {
    for step in try steps().reversed() {
      do {
        return try RunCheckpoint(CheckpointFolder.url(ofStep: step, in: url))
      } catch {
        warn("\(error)")
      }
    }
    throw RunCheckpointError.nothingToResume(folder: url.path(percentEncoded: false))
  }

  /// Deletes the oldest checkpoints until `limit` are left.
  ///
  /// Those beyond `step` belong to a future that the run has left by resuming earlier, so they count as the oldest.
  ///
  /// - Throws: `FileError` when one cannot be deleted.
  func keep(_ limit: Int, upTo step: Int) throws {
    let steps = try steps()
    let oldestFirst = steps.filter { $0 > step } + steps.filter { $0 <= step }
    for old in oldestFirst.dropLast(limit) {
      let folder = CheckpointFolder.url(ofStep: old, in: url)
      do {
        // First the marker, so that what a crash leaves behind is not taken for a checkpoint.
        let marker = folder.appending(path: RunCheckpoint.stateFile)
        if FileManager.default.fileExists(atPath: marker.path(percentEncoded: false)) {
          try FileManager.default.removeItem(at: marker)
        }
        try FileManager.default.removeItem(at: folder)
      } catch {
        throw FileError(path: folder.path(percentEncoded: false), action: .write, underlying: error)
      }
    }
  }
}
