import ArgumentParser
import DreamBooth
import Foundation

/// A LoRA file and a scale, written `FILE:SCALE` or `FILE` for a scale of 1.
struct LoRAOption: ExpressibleByArgument, Hashable {
  let path: String
  let scale: Float

  init?(argument: String) {
    // A colon without a number after it belongs to the path.
    if let colon = argument.lastIndex(of: ":"), let scale = Float(argument[argument.index(after: colon)...]) {
      guard scale.isFinite else { return nil }
      (path, self.scale) = (String(argument[..<colon]), scale)
    } else {
      (path, scale) = (argument, 1)
    }
    if path.isEmpty { return nil }
  }

  /// Reads the file.
  func scaledLoRA() throws -> ScaledLoRA { ScaledLoRA(try LoRA(contentsOf: URL(filePath: path)), scale: scale) }
}
