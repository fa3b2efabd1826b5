import ArgumentParser
import DreamBooth
import Foundation

/// `dbtool embedding`.
struct EmbeddingCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "embedding", abstract: "Write the vectors of a new word as other programs keep them.",
    discussion: """
      diffusers and kohya take a safetensors file, AUTOMATIC1111 one of PyTorch (.pt). The word of a kohya file is the \
      file's own name, and so is that of any file in AUTOMATIC1111's prompts.
      """)

  @Option(help: "The form to write: diffusers, automatic1111 or kohya.")
  var layout: TextualInversionLayout

  @Argument(help: ArgumentHelp("The file to read, in any of the forms.", valueName: "input"))
  var input: String

  @Argument(help: ArgumentHelp("The file to write.", valueName: "output"))
  var output: String

  func run() throws {
    try OutputPath.requireNewFile(output, ending: layout == .automatic1111 ? "pt" : "safetensors")
    try TextualInversion(contentsOf: URL(filePath: input)).write(to: URL(filePath: output), layout, on: CPUBackend())
  }
}

extension TextualInversionLayout: ExpressibleByArgument {}
