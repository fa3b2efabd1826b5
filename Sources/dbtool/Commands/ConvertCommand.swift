import ArgumentParser
import DreamBooth
import Foundation

/// `dbtool convert`.
struct ConvertCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert", abstract: "Write a model, a LoRA or the vectors of a new word in another form.",
    discussion: """
      What IN is follows from its contents. Models become diffusers folders or, for WebUIs, single files of safetensors or \
      PyTorch (ckpt). LoRAs and words are written as diffusers keeps them or as kohya's programs do, which AUTOMATIC1111 \
      and ComfyUI take too; words also as AUTOMATIC1111's own files (.pt). The word of a kohya file is the file's own \
      name, and so is that of any file in AUTOMATIC1111's prompts. What was written is read back and compared bit by bit.
      """)

  /// The forms of all that can be converted.
  enum Form: String, ExpressibleByArgument, CaseIterable {
    case diffusers, safetensors, ckpt, kohya, automatic1111
  }

  @Argument(help: ArgumentHelp("A diffusers folder, or a file of a model, a LoRA or a new word.", valueName: "in"))
  var input: String

  @Argument(help: ArgumentHelp("The file or folder to write.", valueName: "out"))
  var output: String

  @Option(
    help: ArgumentHelp(
      """
      The form: diffusers, safetensors or ckpt for models; diffusers or kohya for LoRAs, which need one said; diffusers, \
      kohya or automatic1111 for words. (default: what the name of OUT ends in says)
      """, valueName: "form"))
  var format: Form?

  @Flag(
    inversion: .prefixedNo, exclusivity: .chooseLast,
    help: "For a LoRA: put the strength into the factors, for programs that know no alpha.")
  var foldScale = false

  @OptionGroup var numbers: NumberOptions
  @OptionGroup var reading: ModelReadingOptions

  func run() throws {
    switch try kind() {
    case .lora: try convertLoRA()
    case .textualInversion: try convertWord()
    default: try convertModel()
    }
  }

  /// What a file holds; nil for folders and for what is not there.
  private func kind() throws -> WeightFileKind? {
    let url = URL(filePath: input)
    guard !url.isFolder, FileManager.default.fileExists(atPath: input) else { return nil }
    return WeightFileKind(try TensorFileFormat.open(url).entries.mapValues(\.shape))
  }

  private func convertModel() throws {
    if foldScale { throw MisplacedOption(option: "fold-scale", owner: "LoRAs", input: input) }
    let form = try format.map { try chosen($0, "a model", ModelForm.allCases) }
    try OutputPath.requireFree(output)
    try reading.model(input, for: .conversion).write(to: output, as: form, numbers.dtype)
  }

  private func convertLoRA() throws {
    if let option = reading.given { throw MisplacedOption(option: option, owner: "models", input: input) }
    let layout = try chosen(format, "a LoRA", LoRALayout.allCases)
    try OutputPath.requireNewFile(output, ending: "safetensors")
    var lora = try LoRA(contentsOf: URL(filePath: input))
    if foldScale { lora = lora.withFoldedScale() }
    if let dtype = numbers.dtype { lora = lora.converted(to: dtype) }
    try lora.write(to: URL(filePath: output), layout, on: CPUBackend())
  }

  private func convertWord() throws {
    if let option = reading.given { throw MisplacedOption(option: option, owner: "models", input: input) }
    if foldScale { throw MisplacedOption(option: "fold-scale", owner: "LoRAs", input: input) }
    let usual = (output as NSString).pathExtension.lowercased() == "pt" ? Form.automatic1111 : .diffusers
    let layout = try chosen(format ?? usual, "a textual inversion", TextualInversionLayout.allCases)
    try OutputPath.requireNewFile(output, ending: layout == .automatic1111 ? "pt" : "safetensors")
    var word = try TextualInversion(contentsOf: URL(filePath: input))
    if let dtype = numbers.dtype { word = word.converted(to: dtype) }
    try word.write(to: URL(filePath: output), layout, on: CPUBackend())
  }

  /// The form of a certain kind of input that was asked for.
  private func chosen<Choice: RawRepresentable<String>>(
    _ form: Form?, _ kind: String, _ choices: [Choice]
  ) throws -> Choice {
    guard let choice = form.flatMap({ Choice(rawValue: $0.rawValue) }) else {
      throw WrongForm(input: input, kind: kind, forms: choices.map(\.rawValue))
    }
    return choice
  }

  /// The input has no such form, or none was said.
  private struct WrongForm: Error, CustomStringConvertible {
    let input, kind: String
    let forms: [String]

    var description: String { "\(input) is \(kind): give --format \(forms.joined(separator: " or "))" }
  }

  /// An option says something of what is not there.
  private struct MisplacedOption: Error, CustomStringConvertible {
    let option, owner, input: String

    var description: String { "--\(option) goes with \(owner) only, and \(input) is none" }
  }
}
