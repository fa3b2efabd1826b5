import ArgumentParser
import DreamBooth
import Foundation

/// `dbtool generate`.
struct GenerateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate", abstract: "Make pictures from text.",
    discussion: "A seed means the same picture as in diffusers with torch.Generator(\"cpu\").")

  @Option(help: ArgumentHelp("The model: a diffusers folder or a single file.", valueName: "model"))
  var model: String

  @Option(help: "What the picture shows; repeat it for several pictures.")
  var prompt: [String]

  @Option(help: "What the pictures must not show: once for all, or once for each prompt.")
  var negativePrompt: [String] = []

  @Option(help: "Pictures of each prompt.")
  var numImages = 1

  @Option(help: "The number of sampling steps.")
  var steps = 50

  @Option(help: "How far pictures are pushed towards the prompt; 1 for not at all.")
  var guidanceScale: Float = 7.5

  @Option(help: "The seed of the first picture; the next ones count up.")
  var seed: UInt64 = 0

  @Option(help: "The height in pixels; the model's own where left out.")
  var height: Int?

  @Option(help: "The width in pixels; the model's own where left out.")
  var width: Int?

  @Option(help: "The sampler: \(SamplerName.list); the model's own where left out.")
  var scheduler: SamplerName?

  @Option(
    help: ArgumentHelp(
      "A LoRA file of diffusers' or kohya's layout and how strongly it is applied; repeat it for several.",
      valueName: "file[:scale]"))
  var lora: [LoRAOption] = []

  @Option(
    help: ArgumentHelp(
      "The vectors of a new word for prompts, as textual inversion makes them; repeat it for several.",
      valueName: "file"))
  var embedding: [String] = []

  @Option(help: ArgumentHelp("Start from the tensor 'latents' of this safetensors file.", valueName: "file"))
  var latents: String?

  @Option(help: ArgumentHelp("Write the final latents to this safetensors file.", valueName: "file"))
  var saveLatents: String?

  @Option(
    name: .shortAndLong,
    help: ArgumentHelp("The PNG to write; a folder where there are several pictures.", valueName: "path"))
  var output: String

  @OptionGroup var reading: ModelReadingOptions
  @OptionGroup var precision: PrecisionOption
  @OptionGroup var device: DeviceOption

  func validate() throws {
    guard (1...100_000).contains(numImages) else {
      throw ValidationError("--num-images is \(numImages) and must be from 1 to 100000")
    }
    guard !prompt.isEmpty else { throw ValidationError("--prompt is missing") }
    guard [0, 1, prompt.count].contains(negativePrompt.count) else {
      throw ValidationError(
        "--negative-prompt is there \(negativePrompt.count) times for \(prompt.count) prompts; "
          + "give it once, or once for each prompt")
    }
  }

  func run() throws {
    try requireOutput()
    let backend = try device.backend()
    let computeType = try precision.computeType(on: backend)
    let folder = try reading.model(model)
    let request = try request(on: backend)
    let pipeline = try TextToImage(
      folder, on: backend, computeType: computeType, loras: lora.map { try $0.scaledLoRA() },
      words: embedding.map { try TextualInversion(contentsOf: URL(filePath: $0)) })
    let sampler = try folder.schedulerConfiguration.makeScheduler(named: scheduler)
    let line = ProgressLine()
    let pictures = try pipeline(request, scheduler: sampler) { progress in
      line.show(
        "step \(progress.step) of \(progress.stepCount)", isLast: progress.step == progress.stepCount)
    }
    let images = try pictures.images()
    if let saveLatents {
      try AtomicFolder.makeIfMissing(URL(filePath: saveLatents).deletingLastPathComponent())
      try SafetensorsWriter.write([TensorItem("latents", pictures.latents)], to: URL(filePath: saveLatents))
    }
    try write(images, request)
  }

  /// Finds out now, and not after minutes of work, that a result has no place to go to.
  private func requireOutput() throws {
    if prompt.count * numImages == 1 {
      try OutputPath.requireFile(output)
    } else {
      try OutputPath.requireFolder(output)
    }
    if let saveLatents { try OutputPath.requireFile(saveLatents) }
  }

  /// Each text once for every picture of it.
  private func repeated(_ texts: [String]) -> [String] { texts.flatMap { Array(repeating: $0, count: numImages) } }

  private func request(on backend: any Backend) throws -> TextToImageRequest {
    let prompts = repeated(prompt)
    var request = TextToImageRequest(prompts: prompts)
    request.negativePrompts = negativePrompt.count == 1 ? negativePrompt : repeated(negativePrompt)
    request.guidanceScale = guidanceScale
    request.steps = steps
    request.height = height
    request.width = width
    request.seeds = prompts.indices.map { seed &+ UInt64($0) }
    if let latents {
      let file = try SafetensorsFile(URL(filePath: latents))
      request.latents = Tensor(try file.floats("latents"), try file.entry("latents").shape, on: backend)
    }
    return request
  }

  private func write(_ images: [Image], _ request: TextToImageRequest) throws {
    for (index, image) in images.enumerated() {
      let path = images.count == 1 ? output : "\(output)/\(String(format: "%03d", index)).png"
      let url = URL(filePath: path)
      try AtomicFolder.makeIfMissing(url.deletingLastPathComponent())
      try image.writePNG(
        to: url,
        text: [PNG.Text("prompt", request.prompts[index]), PNG.Text("seed", "\(request.seeds[index])")])
      print(path)
    }
  }
}

extension SamplerName: ExpressibleByArgument {
  static let list = allCases.map(\.rawValue).joined(separator: ", ")
}
