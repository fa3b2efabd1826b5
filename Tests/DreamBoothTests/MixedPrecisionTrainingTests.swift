import Foundation
import OperationCatalogue
import TestSupport
import Testing

@testable import DreamBooth

/// Runs in half types and with a scaled loss.
@Suite struct MixedPrecisionTrainingTests {
  private let fixture: TrainingFixture

  init() throws {
    fixture = try TrainingFixture()
  }

  // MARK: A scaled loss, in networks that compute in Float32

  /// A session of the tiny model, and the parameters that it trains.
  private func session(
    _ precision: MixedPrecision, _ change: (inout TrainingConfiguration) -> Void = { _ in }
  ) throws -> (session: TrainingSession, weights: Tensor) {
    var configuration = fixture.configuration()
    fixture.addPrior(&configuration)
    configuration.mixedPrecision = precision
    change(&configuration)
    // The networks themselves compute in Float32.
    let model = try TrainingModel(
      try ModelFolder(TrainingFixture.modelURL), fixture.configuration(), on: fixture.backend)
    let preparation = TrainingPreparation(
      configuration: configuration, model: model, seed: 11, observer: { _ in })
    let data = try preparation.data(preparation.instancePictures(), preparation.classPictures())
    let session = TrainingSession(
      model.networks, configuration, stepCount: 20, load: data.load, batch: data.batch.callAsFunction)
    return (session, model.parts[0].parameters.values)
  }

  private func step(_ session: TrainingSession) throws -> StepRecord {
    session.advance()
    return try #require(try session.nextRecord(waiting: true))
  }

  /// Scaling by a power of two is exact in Float32, so a scaled run takes the steps of a plain one.
  @Test(arguments: [1, 2])
  func aScaledLossTakesTheSameSteps(accumulating batches: Int) throws {
    let plain = try session(.bf16) { $0.gradientAccumulationSteps = batches }
    let scaled = try session(.fp16) { $0.gradientAccumulationSteps = batches }
    let before = plain.weights.floats()
    for _ in 0..<4 {
      var (one, other) = (try step(plain.session), try step(scaled.session))
      #expect(one.lossScaling == nil)
      #expect(other.lossScaling == StepRecord.LossScaling(scale: 65536, isSkipped: false))
      other.lossScaling = nil
      (one.seconds, other.seconds) = (0, 0)
      #expect(other == one)
    }
    #expect(plain.weights.floats() != before)
    #expect(scaled.weights.floats() == plain.weights.floats())
  }

  /// A prior loss so heavy that its gradients overflow: the scale comes down until they do not, and only then the
  /// weights move. The loss itself is a number all the time.
  @Test func stepsAreSkippedUntilTheScaleFits() throws {
    let (session, weights) = try session(.fp16) { $0.priorLossWeight = 1e16 }
    let before = weights.floats()
    var scale: Float = 65536
    var record = try step(session)
    while record.lossScaling?.isSkipped == true, scale > 1 {
      #expect(record.lossScaling?.scale == scale)
      #expect(record.gradientNorm == nil && record.loss > 1e15)
      #expect(weights.floats() == before)
      scale /= 2
      record = try step(session)
    }
    #expect(scale < 65536, "nothing overflowed")
    #expect(record.lossScaling == StepRecord.LossScaling(scale: scale, isSkipped: false))
    #expect(try #require(record.gradientNorm) > 1e15)
    #expect(weights.floats() != before)
    #expect(session.optimizer.state == AdamW.State(updates: 1, lossScale: scale, goodSteps: 1))
    let line = try JSONSerialization.jsonObject(with: RunJSON.encoder.encode(record)) as? [String: Any]
    #expect(line?["loss_scaling"] as? [String: Double] == ["scale": Double(scale), "skipped": 0])
  }

  /// Where no scale helps, the run has diverged.
  @Test func aScaleOfOneIsTheLast() throws {
    let (session, weights) = try session(.fp16) { $0.priorLossWeight = 1e25 }
    let before = weights.floats()
    for step in 0..<16 {
      let record = try self.step(session)
      #expect(record.lossScaling == StepRecord.LossScaling(scale: exp2(16 - Float(step)), isSkipped: true))
    }
    #expect(throws: TrainingError.diverged(step: 17)) { try step(session) }
    #expect(weights.floats() == before)
  }

  /// Without a scale there is nothing to wait for.
  @Test func gradientsThatOverflowWithoutAScaleEndTheRun() throws {
    let (session, _) = try session(.bf16) { $0.priorLossWeight = 1e25 }
    #expect(throws: TrainingError.diverged(step: 1)) { try step(session) }
  }

  // MARK: Half types, where a device has them

  /// How far a loss may lie from the one that Float32 gives.
  ///
  /// Each of about a hundred layers rounds its result once; their errors add up like a random walk to ten roundings of
  /// the prediction, and the loss is its square. In Float32 the weights' own tolerance after some steps is larger.
  private func tolerance(_ dtype: DType) -> Double { max(20 * dtype.unitRoundoff, Tolerance.gradient) }

  private func train(
    _ precision: MixedPrecision, on backend: any Backend, recordsSteps: Bool = true, output: String
  ) throws -> (losses: [Float], tensors: [String: Data]) {
    var configuration = fixture.configuration(output: output)
    fixture.addPrior(&configuration)
    configuration.trainTextEncoder = true
    configuration.gradientAccumulationSteps = 2
    configuration.mixedPrecision = precision
    var losses: [Float] = []
    _ = try Trainer(configuration, on: backend, recordsSteps: recordsSteps) { event in
      if case .stepped(let record, _) = event { losses.append(record.loss) }
    }.run()
    return (losses, try fixture.tensors(output))
  }

  @Test(arguments: Device.kinds, MixedPrecision.allCases)
  func everyPrecisionTrainsAlike(_ device: Device, _ precision: MixedPrecision) throws {
    let dtype = precision.computeType
    guard device.backend.computeTypes.contains(dtype) else {
      #expect(throws: TrainingOptionError.self) { try train(precision, on: device.backend, output: "refused") }
      return
    }
    let exact = try train(.no, on: fixture.backend, output: "exact").losses
    let recorded = try train(precision, on: device.backend, output: "recorded")
    let plain = try train(precision, on: device.backend, recordsSteps: false, output: "plain")
    #expect(recorded.losses == plain.losses)
    #expect(recorded.tensors == plain.tensors)
    #expect(relativeError(recorded.losses, exact) < tolerance(dtype), "\(recorded.losses), \(exact)")
  }
}
