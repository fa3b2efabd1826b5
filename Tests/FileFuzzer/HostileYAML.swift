/// YAML that nobody wrote by hand: references that multiply, keys that are structures, deep nesting.
enum HostileYAML {
  static func document(_ mutator: inout Mutator) -> [UInt8] {
    switch mutator.below(4) {
    case 0: Array(references(&mutator).utf8)
    case 1: Array(keys(&mutator).utf8)
    case 2: Array(nesting(&mutator).utf8)
    default: Array((0..<mutator.below(200)).map { _ in mutator.choice(pieces) }.joined().utf8)
    }
  }

  private static let pieces = [
    "model:\n", "  params:\n", "    parameterization: \"v\"\n", "a: ", "- ", "? ", "&a ", "*a ", "*a", "!!binary ",
    "!!set ", "<<: ", "[", "]", "{", "}", ", ", ": ", "|\n", ">-\n", "\"", "'", "\n", "  ", "\t", "---\n", "...\n",
    "%YAML 1.1\n", "%TAG ! tag:x\n", "#", "~", "null", "\u{feff}", "\u{85}", "\u{2028}", "\r", "\\u0000", "=", "0x1",
  ]

  /// Each of several lists refers several times to the one before.
  private static func references(_ mutator: inout Mutator) -> String {
    let (levels, times) = (mutator.below(12), 1 + mutator.below(12))
    var text = "a0: &a0 [x, x]\n"
    for level in 1..<levels + 1 {
      let references = Array(repeating: "*a\(level - 1)", count: times).joined(separator: ", ")
      text += mutator.below(3) == 0 ? "? [\(references)]\n: &a\(level) {}\n" : "a\(level): &a\(level) [\(references)]\n"
    }
    return text + "? *a\(levels)\n: 1\nmodel: {params: *a\(levels)}\n"
  }

  /// Keys that are mappings whose keys are mappings.
  private static func keys(_ mutator: inout Mutator) -> String {
    let count = mutator.below(1200)
    let leaf = Array(repeating: "a", count: 1 + mutator.below(20_000)).joined(separator: ",")
    return String(repeating: mutator.choice(["{", "{? ", "? ", "[{"]), count: count) + "[\(leaf)]"
      + String(repeating: mutator.choice([": 1}", "}", ": 1}]", ""]), count: count)
  }

  private static func nesting(_ mutator: inout Mutator) -> String {
    let opening = mutator.choice(["[", "{", "- ", "? ", "a: {", "[a, ", "\"", "!!a ", "&a "])
    return "model: " + String(repeating: opening, count: mutator.below(20_000))
  }
}
