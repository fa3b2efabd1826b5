import ArgumentParser
import DreamBooth
import Foundation

/// `dbtool train`.
struct TrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train", abstract: "Train a model on photos of a subject.",
    discussion: """
      The flags are those of diffusers' train_dreambooth.py and, with --lora, train_dreambooth_lora.py. Ctrl-C saves a checkpoint and stops; \
      --resume-from-checkpoint latest goes on from there, as if nothing had happened.
      """)

  @OptionGroup(title: "Subject and model") var subject: SubjectOptions
  @OptionGroup(title: "Prior preservation") var prior: PriorOptions
  @OptionGroup(title: "LoRA") var lora: LoRAOptions
  @OptionGroup(title: "New words") var words: WordOptions
  @OptionGroup(title: "Training") var optimizer: OptimizerOptions
  @OptionGroup(title: "Checkpoints and samples") var output: OutputOptions
  @OptionGroup(title: "Device") var device: DeviceOption

  /// All options together.
  func trainingConfiguration() -> TrainingConfiguration {
    var configuration = subject.configuration()
    prior.apply(to: &configuration)
    lora.apply(to: &configuration)
    words.apply(to: &configuration)
    optimizer.apply(to: &configuration)
    output.apply(to: &configuration)
    return configuration
  }

  func run() throws {
    let configuration = trainingConfiguration()
    try configuration.validate()
    for folder in [configuration.outputDir, configuration.classDataDir] { try folder.map(OutputPath.requireFolder) }
    let stop = StopSignal()
    let interrupts = Interrupts(stop, promise: "Stopping after this step; a checkpoint will be saved.")
    defer { interrupts.stopListening() }
    let report = TrainingReport()
    let trainer = try Trainer(configuration, on: device.backend(), stop: stop, observer: report.show)
    switch try trainer.run() {
    case .finished(let model): print(model.path(percentEncoded: false))
    case .stopped(let checkpoint?):
      report.note("Stopped. Continue with --resume-from-checkpoint latest (\(checkpoint.lastPathComponent)).")
    case .stopped(nil): report.note("Stopped before the first step; there is nothing to resume.")
    }
  }
}
