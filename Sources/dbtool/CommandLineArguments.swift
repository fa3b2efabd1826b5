import DreamBooth
import Foundation

/// The arguments as the user wrote them, turned into what the parser understands.
enum CommandLineArguments {
  /// Replaces `--config FILE`, unless that is a model's folder, by the file's options, placed before the others so that
  /// the command line wins, underscores in flags by dashes, and `--flag -1` by `--flag=-1`, which the parser would take
  /// for two flags.
  ///
  /// - Throws: `ConfigurationFileError`.
  static func expanded(_ arguments: [String]) throws(ConfigurationFileError) -> [String] {
    var fromFile: [String] = []
    var rest: [String] = []
    var pending = arguments[...]
    while let written = pending.popFirst() {
      if written == "--" {
        // What follows is text, whatever it looks like.
        rest += [written] + pending
        break
      }
      let argument = dashed(written)
      if argument == "--config" {
        guard let path = pending.popFirst() else { throw ConfigurationFileError(path: "--config", "needs a file") }
        if isFolder(path) { rest += [argument, path] } else { fromFile += try ConfigurationFile.arguments(path) }
      } else if argument.hasPrefix("--config="), !isFolder(String(argument.dropFirst("--config=".count))) {
        fromFile += try ConfigurationFile.arguments(String(argument.dropFirst("--config=".count)))
      } else if argument.hasPrefix("--"), !argument.contains("="), let next = pending.first, isNegative(next) {
        rest.append("\(argument)=\(pending.removeFirst())")
      } else {
        rest.append(argument)
      }
    }
    // The subcommand's name stays first.
    return rest.prefix(1) + fromFile + rest.dropFirst()
  }

  /// `--train_batch_size=4` becomes `--train-batch-size=4`; values are left alone.
  static func dashed(_ argument: String) -> String {
    guard argument.hasPrefix("--") else { return argument }
    let end = argument.firstIndex(of: "=") ?? argument.endIndex
    return String(argument[..<end].replacing("_", with: "-") + argument[end...])
  }

  private static func isFolder(_ path: String) -> Bool { URL(filePath: path).isFolder }

  private static func isNegative(_ argument: String) -> Bool { argument.hasPrefix("-") && Double(argument) != nil }
}
