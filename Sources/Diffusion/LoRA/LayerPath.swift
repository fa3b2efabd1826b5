/// The paths of layers, such as `down_blocks.0.resnets.1.conv1`, and their form with underscores instead of dots.
///
/// Names like `down_blocks` hold underscores of their own. Which words belong together is learned from the published
/// models.
enum LayerPath {
  /// The components that paths are made of, numbers aside.
  private static let components: Set<Substring> = {
    var components: Set<Substring> = []
    for model in [StandardModel.sd15, .sd21] {
      do {
        let folder = try model.untrained()
        for part in [ModelPart.unet, .textEncoder] {
          for specification in try folder.specifications(of: part) {
            components.formUnion(specification.name.split(separator: ".").dropLast())
          }
        }
      } catch {
        fatalError("LayerPath: the package's own \(model) is wrong: \(error)")
      }
    }
    return components
  }()

  private static func isComponent(_ text: Substring) -> Bool { isNumber(text) || components.contains(text) }

  private static func isNumber(_ text: Substring) -> Bool {
    !text.isEmpty && text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
  }

  /// Whether a text with dots is made of known components.
  static func isPath(_ text: String) -> Bool {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    return !parts.isEmpty && parts.allSatisfy(isComponent)
  }

  /// The path that has become `flattened` when its dots became underscores; `nil` if there is none.
  static func path(ofFlattened flattened: Substring) -> String? {
    let words = flattened.split(separator: "_", omittingEmptySubsequences: false)
    guard words.count <= longest else { return nil }
    // What the words from each place on can be read as, found from the end.
    var readings = [String?](repeating: nil, count: words.count + 1)
    readings[words.count] = ""
    for start in words.indices.reversed() {
      // The longest component that leaves something readable.
      for end in (start + 1...words.count).reversed() {
        guard let rest = readings[end] else { continue }
        let component = flattened[words[start].startIndex..<words[end - 1].endIndex]
        guard isComponent(component) else { continue }
        readings[start] = rest.isEmpty ? String(component) : "\(component).\(rest)"
        break
      }
    }
    return readings[0].flatMap { $0.isEmpty ? nil : $0 }
  }

  /// More words than any path has.
  private static let longest = 64
}
