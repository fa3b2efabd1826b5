import ArgumentParser
import DreamBooth
import Foundation

/// `dbtool convert`.
struct ConvertCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert", abstract: "Write a model in another form: a diffusers folder, or one file for WebUIs.",
    discussion: """
      The form follows from OUT: .safetensors and .ckpt are single files, anything else is a folder. What was written is \
      read back and compared bit by bit.
      """)

  @Argument(help: ArgumentHelp("The model: a diffusers folder or a single file.", valueName: "in"))
  var input: String

  @Argument(help: ArgumentHelp("The file or folder to write.", valueName: "out"))
  var output: String

  @OptionGroup var writing: ModelWritingOptions
  @OptionGroup var reading: ModelReadingOptions

  func run() throws {
    try writing.requireFree(output)
    try writing.write(reading.model(input, for: .conversion), to: output)
  }
}
