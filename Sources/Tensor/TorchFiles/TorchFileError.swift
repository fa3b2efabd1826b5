/// A file that `torch.save` did not write, or that is damaged, hostile or in a form that is not read here.
public struct TorchFileError: Error, CustomStringConvertible, Sendable {
  /// What is wrong with the file.
  public enum Problem: Error, Sendable, Hashable {
    /// A zip archive that contradicts itself, with the reason.
    case damagedArchive(String)
    /// A pickle that cannot be followed, with the byte at which it fails and the reason.
    case damagedPickle(at: Int, String)
    /// A pickle that describes a tensor which cannot be, with the reason.
    case damagedTensor(String)
    /// An archive without a file that it must have.
    case missingEntry(String)
    /// An entry that is compressed or encrypted.
    case packedEntry(String)
    /// Numbers with the most significant byte first.
    case bigEndian
    /// A program of TorchScript's.
    case torchScript
    /// A file beyond what any model needs, with what there is too much of.
    case tooLarge(String)
  }

  /// The path of the file.
  public let path: String
  /// What is wrong with it.
  public let problem: Problem

  /// One line for people.
  public var description: String {
    switch problem {
    case .damagedArchive(let reason): "\(path) is damaged: \(reason)"
    case .damagedPickle(let position, let reason): "\(path) is damaged: its pickle \(reason) at byte \(position)"
    case .damagedTensor(let reason): "\(path) is damaged: \(reason)"
    case .missingEntry(let name): "\(path) is not a file of PyTorch's: it has no entry '\(name)'"
    case .packedEntry(let name):
      "\(path): the entry '\(name)' is compressed or encrypted, which PyTorch does not read either; "
        + "pack the archive again with 'zip -0'"
    case .bigEndian: "\(path) was written on a big-endian machine; load and save it in PyTorch on another one"
    case .torchScript: "\(path) is a TorchScript program; save the model's state_dict() instead"
    case .tooLarge(let what): "\(path) is refused: \(what)"
    }
  }
}
