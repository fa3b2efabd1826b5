import ArgumentParser
import DreamBooth
import Foundation

/// `dbtool tokenize`.
struct TokenizeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tokenize", abstract: "Print the ids of a text as the model's tokenizer makes them, as JSON.")

  @Option(help: ArgumentHelp("The model: a diffusers folder.", valueName: "folder"))
  var model: String

  @Argument(help: "The text.")
  var text: String

  func run() throws {
    let tokenizer = try CLIPTokenizer(contentsOf: URL(filePath: model).appending(path: "tokenizer"))
    print(try JSON.text(tokenizer.encode(text), isPretty: false))
  }
}
