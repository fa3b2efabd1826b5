import Tensor
import TestSupport
import Testing

/// Work that is recorded once and replayed, and downloads that are read later.
@Suite struct RecordingTests {
  /// x ← 2 x + step, with an intermediate result, as a training step has many.
  private struct Doubling {
    let x: Tensor
    let step: Tensor

    init(on backend: any Backend) {
      x = Tensor([1 as Float, -3, 0.5], [3], on: backend)
      step = Tensor(repeating: 1, [1], on: backend)
    }

    func callAsFunction() { x.assign(x * 2 + step) }
  }

  @Test(arguments: Device.kinds)
  func recordingDoesNothingYet(_ device: Device) {
    let doubling = Doubling(on: device.backend)
    doubling()
    let before = doubling.x.floats()
    withExtendedLifetime(device.backend.record(doubling.callAsFunction)) {
      #expect(doubling.x.floats() == before)
    }
  }

  /// Every replay goes on from what the one before has left, and reads what was uploaded since.
  @Test(arguments: Device.kinds)
  func replaysAreTheWorkItself(_ device: Device) {
    let (eager, recorded) = (Doubling(on: device.backend), Doubling(on: device.backend))
    eager()
    recorded()
    let recording = device.backend.record(recorded.callAsFunction)
    for number in 1...5 {
      for doubling in [eager, recorded] { doubling.step.assign([Float(number) / 3]) }
      eager()
      recording.replay()
      #expect(recorded.x.floats() == eager.x.floats())
    }
    #expect(recorded.x.floats() != Doubling(on: device.backend).x.floats())
  }

  /// Other work may take and give memory between replays without disturbing what a recording needs.
  @Test(arguments: Device.kinds)
  func otherWorkDoesNotDisturbReplays(_ device: Device) {
    let (eager, recorded) = (Doubling(on: device.backend), Doubling(on: device.backend))
    eager()
    recorded()
    let recording = device.backend.record(recorded.callAsFunction)
    for _ in 0..<3 {
      let others = (1...8).map { Tensor(repeating: .nan, [$0], on: device.backend) }
      recording.replay()
      #expect(others.allSatisfy { $0.floats().allSatisfy(\.isNaN) })
      eager()
    }
    #expect(recorded.x.floats() == eager.x.floats())
  }

  /// A download has the values of its place in the order of calls, however late it is read.
  @Test(arguments: Device.kinds)
  func downloadsKeepTheirMoment(_ device: Device) {
    let x = Tensor(repeating: 0, [4], on: device.backend)
    let downloads = (1...5).map { number in
      device.backend.fill(Float(number), into: x)
      return device.backend.beginDownload(x)
    }
    device.backend.fill(-1, into: x)
    for (index, download) in downloads.enumerated() {
      #expect(download.floats() == [Float](repeating: Float(index + 1), count: 4))
      #expect(download.isReady)
    }
  }

  @Test(arguments: Device.kinds)
  func downloadsConvertToFloats(_ device: Device) {
    #expect(device.backend.beginDownload(Tensor([Int32(3), -7], [2], on: device.backend)).floats() == [3, -7])
    let half = Tensor([Float16(0.5), 2], [2], on: device.backend)
    #expect(device.backend.beginDownload(half).floats() == [0.5, 2])
  }

  @Test func nullBackendRecords() {
    let backend = NullBackend()
    var count = 0
    let recording = backend.record { count += 1 }
    #expect(count == 0)
    recording.replay()
    recording.replay()
    #expect(count == 2)
    #expect(backend.beginDownload(Tensor(empty: [2], on: backend)).floats() == [0, 0])
  }
}
