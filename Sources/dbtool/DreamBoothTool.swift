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
      TraceCommand.self, InitCommand.self, DemoCommand.self,
    ])

  /// Runs the command that the arguments name. Every error is one line and a non-zero exit status.
  static func main() {
    do {
      let arguments = try CommandLineArguments.expanded(Array(CommandLine.arguments.dropFirst()))
      var command = try parseAsRoot(arguments)
      do {
        try command.run()
      } catch let error where !isForArgumentParser(error) {
        Terminal.standardError.write("dbtool: \(describe(error))\n")
        exit(withError: ExitCode.failure)
      }
    } catch let error as ConfigurationFileError {
      Terminal.standardError.write("dbtool: \(error)\n")
      exit(withError: ExitCode.validationFailure)
    } catch {
      exit(withError: error)
    }
  }

  /// Whether the parser knows best how to report an error: wrong arguments, a request for help, an exit status.
  private static func isForArgumentParser(_ error: any Error) -> Bool {
    error is ValidationError || error is CleanExit || error is ExitCode
  }

  /// The project's errors describe themselves in a line; Foundation's have a localised description.
  private static func describe(_ error: any Error) -> String {
    error is CocoaError || error is POSIXError ? error.localizedDescription : "\(error)"
  }
}
