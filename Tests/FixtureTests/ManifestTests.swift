import Foundation
import TestSupport
import Testing

/// The goldens are those that the scripts wrote, every one of them and nothing else.
@Suite struct ManifestTests {
  private struct Entry: Decodable {
    let sha256: String
    let script: String
    let versions: [String: String]
  }

  private let entries: [String: Entry]

  init() throws {
    let manifest = try Data(contentsOf: Fixtures.folder.appending(path: "goldens/MANIFEST.json"))
    var objects = try #require(JSONSerialization.jsonObject(with: manifest) as? [String: Any])
    // The first key says what the file is.
    objects["about"] = nil
    entries = try JSONDecoder().decode([String: Entry].self, from: JSONSerialization.data(withJSONObject: objects))
  }

  @Test func everyFileIsAsItsScriptLeftIt() throws {
    let files = entries.keys.sorted()
    #expect(files.count > 50)
    let found = try digests(files)
    #expect(found.count == files.count)
    #expect(zip(files, found).filter { entries[$0]?.sha256 != $1 }.map(\.0) == [])
    for script in Set(entries.values.map(\.script)) {
      #expect(FileManager.default.fileExists(atPath: Fixtures.folder.appending(path: script).path()), "\(script)")
    }
  }

  @Test func everyGoldenIsListed() throws {
    let goldens = Fixtures.folder.appending(path: "goldens")
    let paths = try FileManager.default.subpathsOfDirectory(atPath: goldens.path()).filter { path in
      var isFolder: ObjCBool = false
      return FileManager.default.fileExists(atPath: goldens.appending(path: path).path(), isDirectory: &isFolder)
        && !isFolder.boolValue
    }
    #expect(paths.filter { entries["goldens/\($0)"] == nil } == ["MANIFEST.json"])
  }

  @Test func everyVersionIsPinned() throws {
    let text = try String(contentsOf: Fixtures.folder.appending(path: "requirements.txt"), encoding: .utf8)
    let pins = text.matches(of: /(?m)^([A-Za-z0-9_.-]+)==(\S+)$/).map { (String($0.1), String($0.2)) }
    let pinned = Dictionary(uniqueKeysWithValues: pins)
    #expect(pinned["torch"]?.isEmpty == false)
    for (file, entry) in entries {
      // A build for the processor is the same version: 2.13.0+cpu.
      let versions = entry.versions.mapValues { String($0.prefix { $0 != "+" }) }
      #expect(versions == pinned, "\(file)")
    }
  }

  /// What coreutils' `sha256sum` says: a package for this one test would be most of the tests' build time.
  private func digests(_ files: [String]) throws -> [String] {
    let process = Process()
    let output = Pipe()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = ["sha256sum", "--"] + files
    process.currentDirectoryURL = Fixtures.folder
    process.standardOutput = output
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return text.split(separator: "\n").map { String($0.prefix(64)) }
  }
}
