import ArgumentParser
import DreamBooth
import Foundation

/// DreamBooth on the command line.
@main
struct DreamBoothTool: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dbtool",
    abstract: "Teach a Stable Diffusion model a new subject from a few photos.",
    discussion: """
      Flags may be written with dashes or underscores, and any of them may stand in a YAML file given by --config; \
      what is on the command line wins.
      """,
    version: DreamBoothVersion.current,
    subcommands: [
      TrainCommand.self, GenerateCommand.self, ClassImagesCommand.self, InspectCommand.self, TokenizeCommand.self,
      TraceCommand.self, InitCommand.self, ConvertCommand.self, MergeCommand.self, LoRACommand.self,
      DemoCommand.self, BenchCommand.self, PlanCommand.self, DevicesCommand.self,
    ])

  /// Runs the command that the arguments name. Every error is one line and a non-zero exit status.
  static func main() {
    do {
      let arguments = try CommandLineArguments.expanded(Array(CommandLine.arguments.dropFirst()))
      var command = try parseAsRoot(UnsupportedOption.removeIdle(from: arguments))
      do {
        try command.run()
      } catch let error where isOurs(command) && !(error is ExitCode) {
        fail(describe(error), ExitCode.failure)
      }
    } catch let error where error is ConfigurationFileError || error is UnsupportedOptionError {
      fail("\(error)", ExitCode.validationFailure)
    } catch {
      guard exitCode(for: error) == .validationFailure else { exit(withError: error) }
      fail("\(message(for: error)); dbtool --help says more", ExitCode.validationFailure)
    }
  }

  /// Whether a command is one of those above, and not the parser's own for help.
  private static func isOurs(_ command: any ParsableCommand) -> Bool {
    let commands = configuration.subcommands
    return (commands + commands.flatMap { $0.configuration.subcommands }).contains { $0 == type(of: command) }
  }

  private static func fail(_ reason: String, _ status: ExitCode) -> Never {
    let lines = reason.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }
    Terminal.standardError.write("dbtool: \(lines.joined(separator: " "))\n")
    exit(withError: status)
  }

  /// The project's errors describe themselves in a line; Foundation's have a localised description.
  private static func describe(_ error: any Error) -> String {
    error is CocoaError || error is POSIXError ? error.localizedDescription : "\(error)"
  }
}
