import Autograd
import TestSupport
import Testing

@Suite struct RecordedStepTests {
  /// The first two steps are taken as they are, or all of them where nothing is to be recorded.
  @Test(arguments: [false, true])
  func theThirdStepIsRecorded(isRecorded: Bool) {
    let backend = RepeatingBackend()
    let x = Tensor(repeating: 1, [2], on: backend)
    let step = RecordedStep(on: backend, isRecorded: isRecorded) { x.assign(x * 2) }
    var replays: [Int] = []
    for number in 1...5 {
      step.run()
      replays.append(backend.replayCount)
      #expect(x.floats() == [Float](repeating: Float(1 << number), count: 2))
    }
    #expect(replays == (isRecorded ? [0, 0, 1, 2, 3] : [0, 0, 0, 0, 0]))
  }
}
