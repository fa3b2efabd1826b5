import ArgumentParser
import DreamBooth

/// DreamBooth on the command line.
@main
struct DreamBoothTool: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dbtool", abstract: "Teach a Stable Diffusion model a new subject from a few photos.")
}
