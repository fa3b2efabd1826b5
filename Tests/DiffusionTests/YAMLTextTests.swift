import Foundation
import TestSupport
import Testing

@testable import Diffusion

/// YAML files are read unless they were made to keep a reader busy.
@Suite struct YAMLTextTests {
  private let home: TemporaryFolder
  private var url: URL { home.url.appending(path: "model.yaml") }

  init() throws { home = try TemporaryFolder() }

  private func write(_ text: String) throws { try Data(text.utf8).write(to: url) }

  /// Lists that refer ten times each to the one before, and a key that is the last of them.
  @Test func referencesThatMultiplyAreRefused() throws {
    var text = "a0: &a0 [x, x]\n"
    for level in 1...9 {
      text += "a\(level): &a\(level) [\(Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", "))]\n"
    }
    try write(text + "? *a9\n: 1\n")
    let error = #expect(throws: YAMLTextError.self) { try YAMLText.root(of: url) }
    #expect(error?.description.contains("model.yaml has more than 16 references") == true)
    let model = home.url.appending(path: "model.safetensors")
    #expect(throws: SingleFileError.self) { try SingleFileYAML(beside: model) }
  }

  @Test func aFewReferencesAreFollowed() throws {
    try write("kept: &v \"v\"\nmodel:\n  params:\n    parameterization: *v\n")
    #expect(try SingleFileYAML(beside: home.url.appending(path: "model.ckpt"))?.predictionType == .velocity)
  }

  /// Stars in comments and texts are no references.
  @Test func starsAreNoReferences() throws {
    try write("# \(String(repeating: "*x ", count: 100))\nprompt: 'a *sks* dog & co'\n")
    #expect(try YAMLText.root(of: url)?["prompt"]?.string == "a *sks* dog & co")
    try write("name: R&D\n# \(String(repeating: "*x ", count: 100))\n")
    #expect(try YAMLText.root(of: url)?["name"]?.string == "R&D")
  }

  /// All keys of a mapping are compared, and those within keys with them.
  @Test(arguments: ["? ", "{", "[", "{? "])
  func structuresWithinKeysAreRefused(_ opening: String) throws {
    let count = opening.contains("?") ? YAMLText.markedKeyLimit : YAMLText.bracketLimit
    func text(_ count: Int) -> String {
      let closing = opening.replacing("?", with: "").replacing("{", with: "}").replacing("[", with: "]")
      return String(repeating: opening, count: count) + "a" + String(repeating: closing, count: count)
    }
    try write(text(count))
    _ = try YAMLText.root(of: url)
    try write(text(count + 1))
    let error = #expect(throws: YAMLTextError.self) { try YAMLText.root(of: url) }
    #expect(error?.reason.contains("nested") == true)
  }

  @Test func filesLargerThanConfigurationsAreRefused() throws {
    try write("a: b\n" + String(repeating: " ", count: YAMLText.byteLimit - 5))
    #expect(try YAMLText.root(of: url)?["a"]?.string == "b")
    try write("a: b\n" + String(repeating: " ", count: YAMLText.byteLimit - 4))
    let error = #expect(throws: YAMLTextError.self) { try YAMLText.root(of: url) }
    #expect(error?.reason.contains("65537 bytes") == true)
  }

  @Test(arguments: ["a: [", "a: b\na: c\n", "\u{1}", "a: *b\n", "- - ? : -\n?", String(repeating: "[", count: 60_000)])
  func whatIsWrongIsSaidInOneLine(_ text: String) throws {
    try write(text)
    let error = #expect(throws: YAMLTextError.self) { try YAMLText.root(of: url) }
    #expect(error?.description.contains("\n") == false)
  }
}
