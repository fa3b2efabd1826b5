/// A file that is not a well-formed safetensors file.
public struct SafetensorsError: Error, CustomStringConvertible, Sendable {
  /// What is wrong with the file.
  public enum Problem: Sendable, Hashable {
    case tooShort(byteCount: Int)
    case headerTooLong(claimed: UInt64, byteCount: Int)
    case headerTooLarge(byteCount: Int)
    case headerNotJSON(String)
    case wrongRange(tensor: String, String)
    case unusedBytes(String)
  }

  /// The path of the file.
  public let path: String
  /// What is wrong with it.
  public let problem: Problem

  /// One line for people.
  public var description: String {
    switch problem {
    case .tooShort(let byteCount): "\(path) is not a safetensors file: it has only \(byteCount) bytes"
    case .headerTooLong(let claimed, let byteCount):
      "\(path) is damaged: its header claims \(claimed) bytes in a file of \(byteCount)"
    case .headerTooLarge(let byteCount):
      "\(path) is refused: its header has \(byteCount) bytes, more than \(SafetensorsHeader.byteLimit)"
    case .headerNotJSON(let reason): "\(path) is not a safetensors file: its header cannot be read (\(reason))"
    case .wrongRange(let tensor, let reason): "\(path) is damaged: tensor '\(tensor)' \(reason)"
    case .unusedBytes(let reason): "\(path) is damaged: \(reason)"
    }
  }
}
