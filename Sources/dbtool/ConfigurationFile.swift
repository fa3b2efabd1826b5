import DreamBooth
import Foundation
import Yams

/// A `--config` file that cannot be used.
struct ConfigurationFileError: Error, CustomStringConvertible {
  private let path: String
  private let problem: String

  init(path: String, _ problem: String) {
    self.path = path
    self.problem = problem
  }

  var description: String { "\(path): \(problem)" }
}

/// A YAML file of options, one `name: value` a line, under the flags' names.
enum ConfigurationFile {
  /// The file's options as arguments.
  ///
  /// `true` becomes the flag alone and `false` its negation; an empty value leaves the option out. `mixed_precision: no`,
  /// in which YAML sees a truth value too, is a word.
  static func arguments(_ path: String) throws(ConfigurationFileError) -> [String] {
    let root: Node?
    do throws(YAMLTextError) {
      root = try YAMLText.root(of: URL(filePath: path))
    } catch {
      throw ConfigurationFileError(path: path, error.reason)
    }
    // Comments and separators alone make a document that is null.
    guard let root, root.null == nil else { return [] }
    guard let mapping = root.mapping else {
      throw ConfigurationFileError(path: path, "must hold lines of the form 'name: value'")
    }
    var arguments: [String] = []
    for (key, value) in mapping {
      guard let name = key.string, let scalar = value.scalar else {
        throw ConfigurationFileError(path: path, "option '\(key.string ?? "?")' must have a single value")
      }
      let flag = CommandLineArguments.dashed("--\(name)")
      // Only a bare word is a truth value or nothing; in quotes it is a text.
      let isBare = scalar.style == .plain || scalar.style == .any
      if isBare, value.null != nil { continue }
      switch isBare ? value.bool : nil {
      case false? where flag == "--mixed-precision": arguments.append("\(flag)=no")
      case true?: arguments.append(flag)
      case false?: arguments.append("--no-\(flag.dropFirst(2))")
      case nil: arguments.append("\(flag)=\(scalar.string)")
      }
    }
    return arguments
  }
}
