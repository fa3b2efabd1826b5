/// A tensor's name taken apart at its dots, such as `down_blocks.0.resnets.1.conv1.weight`.
struct DottedName {
  private let parts: [Substring]

  /// Takes a name apart.
  init(_ name: String) { parts = name.split(separator: ".", omittingEmptySubsequences: false) }

  /// The part at a place; empty behind the last one.
  subscript(_ index: Int) -> String { index < parts.count ? String(parts[index]) : "" }

  /// The number at a place.
  func number(_ index: Int) -> Int {
    guard let number = Int(self[index]) else { fatalError("DottedName: part \(index) of \(name) is no number") }
    return number
  }

  /// Everything from a place on.
  func suffix(from index: Int) -> String { parts.dropFirst(index).joined(separator: ".") }

  /// The whole name.
  private var name: String { parts.joined(separator: ".") }
}
