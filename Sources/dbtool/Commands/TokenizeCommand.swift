import ArgumentParser
import DreamBooth
import Foundation

/// `dbtool tokenize`.
struct TokenizeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tokenize", abstract: "Print the ids of a text as the model's tokenizer makes them, as JSON.")

  @Option(help: ArgumentHelp("The model: a diffusers folder or a single file.", valueName: "model"))
  var model: String

  @Argument(help: "The text.")
  var text: String

  func run() throws {
    let url = URL(filePath: model)
    let tokenizer =
      try url.isFolder
      ? CLIPTokenizer(contentsOf: url.appending(path: "tokenizer")) : ModelFolder(url).loadTokenizer()
    print(try JSON.text(tokenizer.encode(text), isPretty: false))
  }
}
