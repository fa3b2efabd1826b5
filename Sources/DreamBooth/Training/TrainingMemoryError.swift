import Foundation

/// A run that the machine's memory cannot hold.
public struct TrainingMemoryError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The bytes that training takes.
  public let needed: Int
  /// The bytes that are free.
  public let available: Int
  /// Flags with which it fits; empty where none of them is enough.
  public let remedy: [String]

  /// One sentence that says what to do.
  public var description: String {
    let problem = "training takes about \(gigabytes(needed)), but only \(gigabytes(available)) of memory are free"
    return remedy.isEmpty
      ? "\(problem); the model is too large for this machine"
      : "\(problem); it fits with \(remedy.joined(separator: " "))"
  }

  private func gigabytes(_ bytes: Int) -> String { String(format: "%.1f GB", Double(bytes) / 1e9) }
}

extension TrainingMemory {
  /// Makes sure that a run fits into memory, instead of being killed by the system in the middle of it.
  ///
  /// - Parameters:
  ///   - available: the bytes that the run may take.
  ///   - computeTypes: those of the device, for advice.
  /// - Throws: `TrainingMemoryError`, or what is wrong with the folder's configurations.
  static func requireFit(
    _ folder: ModelFolder, _ configuration: TrainingConfiguration, available: Int, computeTypes: Set<DType>
  ) throws {
    let needed = try TrainingMemory(folder, configuration).total
    guard needed > available else { return }
    let remedy = try TrainingMemory.savings(configuration, computeTypes: computeTypes).first { saving in
      try TrainingMemory(folder, saving.configuration).total <= available
    }
    throw TrainingMemoryError(needed: needed, available: available, remedy: remedy?.flags ?? [])
  }

  /// The bytes that new tensors on a device may take: what the system could give without swapping, and what the
  /// device's pool holds unused. `nil` for a device with a memory of its own, or where the system does not say.
  static func available(on backend: any Backend) -> Int? {
    guard backend is CPUBackend, let text = try? String(contentsOfFile: "/proc/meminfo", encoding: .utf8) else {
      return nil
    }
    return available(meminfo: text).map { $0 + backend.memory.reserved - backend.memory.live }
  }

  /// The bytes of the line `MemAvailable` of Linux' `/proc/meminfo`, which counts in KiB.
  static func available(meminfo text: String) -> Int? {
    guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix("MemAvailable:") }) else { return nil }
    let words = line.split(separator: " ")
    return words.count > 1 ? Int(words[1]).map { $0 * 1024 } : nil
  }
}
