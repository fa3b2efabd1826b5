import Foundation

/// DreamBooth from five photos to a picture that shows what the model learned and what it kept.
public struct Demonstration {
  /// The seconds that each stage took, and what was trained.
  public struct Report: Sendable, Codable {
    /// Drawing with the model as it was.
    public var before = 0.0
    /// Generating the class pictures.
    public var classImages = 0.0
    /// Training, reading and saving the model included.
    public var training = 0.0
    /// Drawing with the trained model.
    public var after = 0.0
    /// Everything together.
    public var total = 0.0
    /// The optimiser steps.
    public var steps = 0
    /// The mean loss of the last tenth of the steps, as far as they were taken since the last interruption; `nil` where
    /// none was.
    public var finalLoss: Float?
  }

  /// How a demonstration ended.
  public enum Outcome: Sendable {
    /// The picture is drawn.
    case finished(picture: URL, report: URL)
    /// A stop was asked for.
    case stopped
  }

  private let plan: DemonstrationPlan
  private let photos: URL
  private let captions: URL
  private let model: URL
  private let output: URL
  private let backend: any Backend
  private let stop: StopSignal
  private let observer: TrainingObserver

  /// A demonstration that has not begun.
  ///
  /// - Parameters:
  ///   - folder: holds `demo.json`, the photos under `photos` and the rows' captions under `captions`.
  ///   - model: the model to start from, a diffusers folder.
  ///   - output: receives the picture `demo.png`, `report.json` and the trained model.
  /// - Throws: when the plan cannot be read.
  public init(
    _ folder: URL, model: URL, output: URL, on backend: any Backend, stop: StopSignal = StopSignal(),
    observer: @escaping TrainingObserver = { _ in }
  ) throws {
    plan = try DemonstrationPlan(contentsOf: folder.appending(path: "demo.json"))
    photos = folder.appending(path: "photos")
    captions = folder.appending(path: "captions")
    self.model = model
    self.output = output
    self.backend = backend
    self.stop = stop
    self.observer = observer
  }

  /// Carries the demonstration out; one that was interrupted goes on from the last checkpoint of its training.
  ///
  /// - Throws: what is wrong with the model, the photos or the disk.
  public func run() throws -> Outcome {
    var report = Report()
    let start = Date()
    let base = try ModelFolder(model)
    let pipeline = try TextToImage(base, on: backend)
    let scheduler = try base.schedulerConfiguration.makeScheduler()
    let before = try measure(&report.before) {
      try draw(plan.subjectPrompts, "Drawing before", pipeline, scheduler)
    }
    guard let before else { return .stopped }

    let configuration = try plan.configuration(model: model, photos: photos, output: output)
    let isComplete = try measure(&report.classImages) {
      try classImages(configuration).generate(with: pipeline, scheduler: scheduler, stop: stop) { done, total in
        observer(.progressed("Generating class pictures", done: done, of: total))
      }
    }
    guard isComplete else { return .stopped }

    var losses: [Float] = []
    let trainer = try Trainer(configuration, on: backend, stop: stop) { event in
      if case .stepped(let record, _) = event { losses.append(record.loss) }
      observer(event)
    }
    guard case .finished(let folder) = try measure(&report.training, trainer.run) else { return .stopped }
    report.steps = plan.steps
    let last = losses.suffix(max(plan.steps / 10, 1))
    report.finalLoss = last.isEmpty ? nil : last.reduce(0, +) / Float(last.count)

    let trained = try TextToImage(ModelFolder(folder), on: backend)
    let drawn = try measure(&report.after) {
      try draw(plan.subjectPrompts, "Drawing after", trained, scheduler).flatMap { after in
        try draw(plan.classPrompts, "Drawing the class", trained, scheduler).map { (after, $0) }
      }
    }
    guard let (after, kept) = drawn else { return .stopped }
    report.total = Date().timeIntervalSince(start)
    let outcome = try write(rows: [try examples(), before, after, kept], report)
    // They were for going on after an interruption; the next demonstration is to begin anew.
    try CheckpointFolder(folder).keep(0, upTo: plan.steps)
    return outcome
  }

  private func classImages(_ configuration: TrainingConfiguration) -> ClassImages {
    ClassImages(
      configuration, folder: output.appending(path: DemonstrationPlan.classFolder), prompt: plan.classPrompt,
      seed: plan.seed)
  }

  /// One picture of each prompt, or `nil` after a stop was asked for. Pictures in the same place of two rows begin from the same noise.
  private func draw(
    _ prompts: [String], _ what: String, _ pipeline: TextToImage, _ scheduler: any Scheduler
  ) throws -> [Image]? {
    var request = TextToImageRequest(prompts: prompts)
    request.steps = plan.inferenceSteps
    request.guidanceScale = plan.guidanceScale
    request.height = plan.resolution
    request.width = plan.resolution
    request.seeds = prompts.indices.map { plan.seed &+ UInt64($0) }
    return try pipeline.pictures(request, scheduler, unless: stop) { progress in
      observer(.progressed(what, done: progress.step, of: progress.stepCount))
    }
  }

  /// The photos as the training sees them.
  private func examples() throws -> [Image] {
    let folder = try ImageFolder(photos)
    return try folder.names.indices.map { index in
      try folder.image(at: index).resized(shortSide: plan.resolution)
        .centerCropped(width: plan.resolution, height: plan.resolution)
    }
  }

  private func write(rows: [[Image]], _ report: Report) throws -> Outcome {
    let captions = try ["photos", "before", "after", "class"].map {
      try Image(contentsOf: self.captions.appending(path: "\($0).png"))
    }
    let picture = output.appending(path: "demo.png")
    try DemonstrationPicture(rows: rows, captions: captions).draw().writePNG(to: picture)
    let destination = output.appending(path: "report.json")
    var file = try AtomicFile(path: destination.path(percentEncoded: false))
    try file.append([UInt8](RunJSON.encoder.encode(report)))
    try file.commit()
    return .finished(picture: picture, report: destination)
  }

  private func measure<Result>(_ seconds: inout Double, _ body: () throws -> Result) rethrows -> Result {
    let start = Date()
    defer { seconds = Date().timeIntervalSince(start) }
    return try body()
  }
}
