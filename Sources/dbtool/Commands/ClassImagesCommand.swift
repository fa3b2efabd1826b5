import ArgumentParser
import DreamBooth
import Foundation

/// `dbtool class-images`.
struct ClassImagesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "class-images", abstract: "Generate the class pictures of a run ahead of it.",
    discussion: "Pictures that are there already count; no picture is made twice, however often this is interrupted.")

  @Option(help: ArgumentHelp("The model: a diffusers folder or a single file.", valueName: "model"))
  var pretrainedModelNameOrPath: String

  @Option(help: ArgumentHelp("The folder of class pictures.", valueName: "folder"))
  var classDataDir: String

  @Option(help: ArgumentHelp("The prompt that names the class, such as \"a photo of a dog\".", valueName: "prompt"))
  var classPrompt: String

  @Option(help: "How many there should be.")
  var numClassImages = 100

  @Option(help: "How many are generated at a time.")
  var sampleBatchSize = 4

  @Option(help: "The denoising steps of a picture.")
  var classInferenceSteps = 50

  @Option(help: "How far pictures are pushed towards the prompt.")
  var guidanceScale: Float = 7.5

  @Option(help: "The side of a picture in pixels.")
  var resolution = 512

  @Option(help: "What the noise derives from, together with a picture's number.")
  var seed: UInt64 = 0

  @OptionGroup var reading: ModelReadingOptions
  @OptionGroup var precision: PrecisionOption
  @OptionGroup var device: DeviceOption

  func validate() throws {
    let counts = [
      ("num-class-images", numClassImages), ("sample-batch-size", sampleBatchSize),
      ("class-inference-steps", classInferenceSteps), ("resolution", resolution),
    ]
    for (flag, count) in counts where count < 1 {
      throw ValidationError("--\(flag) is \(count) and must be at least 1")
    }
  }

  func run() throws {
    let images = ClassImages(
      folder: URL(filePath: classDataDir), prompt: classPrompt, count: numClassImages, batchSize: sampleBatchSize,
      steps: classInferenceSteps, guidanceScale: guidanceScale, resolution: resolution, seed: seed)
    try OutputPath.requireFolder(classDataDir)
    let backend = try device.backend()
    let computeType = try precision.computeType(on: backend)
    guard try !images.missing().isEmpty else { return }
    let stop = StopSignal()
    let interrupts = Interrupts(stop, promise: "Stopping; the pictures that are finished stay.")
    defer { interrupts.stopListening() }
    let folder = try reading.model(pretrainedModelNameOrPath)
    let pipeline = try TextToImage(folder, on: backend, computeType: computeType)
    let line = ProgressLine()
    let isComplete = try images.generate(
      with: pipeline, scheduler: folder.schedulerConfiguration.makeScheduler(), stop: stop
    ) { done, total in
      line.show("class pictures: \(done) of \(total)", isLast: done == total)
    }
    if !isComplete { throw ExitCode(130) }
  }
}
