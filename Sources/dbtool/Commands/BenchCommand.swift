import ArgumentParser
import DreamBooth
import OperationCatalogue

/// `dbtool bench`.
struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measure how long training steps, pictures or single operations take.",
    discussion: """
      Training goes through pictures of noise; all else is as in dbtool train. A batch of an even number of pictures is \
      half of the class, with its own loss. Times are medians.
      """)

  @OptionGroup var source: ModelSource

  @Option(help: "The side of a picture in pixels.")
  var resolution = 512

  @Option(help: "The pictures in a batch.")
  var batch = 2

  @Option(help: "The type of the networks' arithmetic: fp32, fp16 or bf16, the latter where the device has them.")
  var precision = Precision.fp32

  @Flag(inversion: .prefixedNo, exclusivity: .chooseLast, help: "Train the text encoder along with the UNet.")
  var trainTextEncoder = false

  @Flag(inversion: .prefixedNo, exclusivity: .chooseLast, help: "Compute activations twice instead of keeping them.")
  var gradientCheckpointing = false

  @OptionGroup var memorySaving: MemorySavingOptions

  @Flag(
    inversion: .prefixedNo, exclusivity: .chooseLast,
    help: "Let the device record what it does and replay it, as dbtool train and dbtool generate do.")
  var recording = true

  @Option(help: "How many training steps to measure; 0 for none.")
  var steps = 10

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "What to measure of training: \(TrainingBenchmark.Figure.list); all if left out. Only step needs an optimiser.",
      valueName: "figure"))
  var figures: [TrainingBenchmark.Figure] = []

  @Option(help: "Also make a batch of pictures, in so many guided steps of DDIM.")
  var samplingSteps: Int?

  @Option(help: "How often to make the batch of pictures.")
  var pictures = 3

  @Flag(help: "Measure single operations at Stable Diffusion's sizes instead; no model is needed.")
  var operations = false

  @Option(help: ArgumentHelp("With --operations: only those with this in their names.", valueName: "name"))
  var filter: String?

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "With --operations: only those of \(StableDiffusionPart.list); all if left out.", valueName: "part"))
  var parts: [StableDiffusionPart] = []

  @Flag(help: "With --operations: print their names only.")
  var list = false

  @Flag(
    help: """
      With --operations: measure those whose names come in on standard input, each at once, with a line of JSON as the \
      answer. So two programs can take turns.
      """)
  var onRequest = false

  @Flag(help: "Say instead where the time of a training step goes.")
  var profile = false

  @Flag(inversion: .prefixedNo, exclusivity: .chooseLast, help: "Print JSON.")
  var json = false

  @OptionGroup var device: DeviceOption

  func validate() throws {
    for (flag, count) in [("resolution", resolution), ("batch", batch), ("pictures", pictures)]
    where !(1...100_000).contains(count) {
      throw ValidationError("--\(flag) is \(count) and must be from 1 to 100000")
    }
    if steps < 0 { throw ValidationError("--steps is \(steps) and must not be negative") }
    if let samplingSteps, samplingSteps < 2 {
      throw ValidationError("--sampling-steps is \(samplingSteps) and must be at least 2")
    }
    if profile && !figures.isEmpty {
      throw ValidationError("--profile is of a whole step, so --figures does not go with it")
    }
    if operations && profile { throw ValidationError("--operations and --profile exclude each other") }
    let forOperations = [
      ("filter", filter != nil), ("parts", !parts.isEmpty), ("list", list), ("on-request", onRequest),
    ]
    for (flag, isGiven) in forOperations where isGiven && !operations {
      throw ValidationError("--\(flag) is for --operations")
    }
    if onRequest && (list || filter != nil || !parts.isEmpty) {
      throw ValidationError(
        "--on-request measures what is asked for, so --list, --filter and --parts do not go with it")
    }
    if operations { return }
    try source.require()
    if steps == 0 && samplingSteps == nil {
      throw ValidationError("there is nothing to measure; give --steps or --sampling-steps")
    }
  }

  func run() throws {
    let device = try self.device.backend()
    let computeType = try precision.computeType(on: device)
    if operations {
      try measureOperations(computeType, on: device)
    } else if profile {
      let report = try ProfileReport(source.folder(), trainingOptions, on: device)
      print(json ? try JSON.text(report, isPretty: false) : report.text)
    } else {
      let report = try BenchReport(self, computeType, on: device)
      print(json ? try JSON.text(report, isPretty: false) : report.text)
    }
  }

  private func measureOperations(_ computeType: DType, on device: any Backend) throws {
    let catalogue = StableDiffusionOperations(batch: batch, computeType)
    if onRequest { return try catalogue.answer(on: device) }
    let cases = try catalogue.cases(of: parts, filter: filter)
    if list { return print(cases.map(\.description).joined(separator: "\n")) }
    let report = OperationsReport(cases, computeType, on: device)
    print(json ? try JSON.text(report, isPretty: false) : report.text)
  }

  /// What is measured of training.
  var trainingOptions: TrainingBenchmark.Options {
    var options = TrainingBenchmark.Options()
    if !figures.isEmpty { options.figures = Set(figures) }
    options.resolution = resolution
    options.batch = batch
    options.trainTextEncoder = trainTextEncoder
    options.gradientCheckpointing = gradientCheckpointing
    options.mixedPrecision = precision.mixedPrecision
    options.fullBf16 = memorySaving.fullBf16
    options.use8bitAdam = memorySaving.use8bitAdam
    options.fusedBackwardPass = memorySaving.fusedBackwardPass
    options.recordsSteps = recording
    return options
  }

  /// What is measured of sampling, if anything.
  func samplingOptions(_ computeType: DType) -> SamplingBenchmark.Options? {
    samplingSteps.map { steps in
      var options = SamplingBenchmark.Options()
      options.resolution = resolution
      options.batch = batch
      options.steps = steps
      options.computeType = computeType
      options.recordsSteps = recording
      return options
    }
  }
}

extension TrainingBenchmark.Figure: ExpressibleByArgument {
  static let list = allCases.map(\.rawValue).joined(separator: ", ")
}
