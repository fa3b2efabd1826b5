import Glibc
import Synchronization
import Testing

@testable import Tensor

@Suite struct ThreadPoolTests {
  @Test(arguments: [1, 2, 3, 8])
  func everyPartRunsOnce(_ threadCount: Int) {
    let pool = ThreadPool(threadCount: threadCount)
    for round in 0..<2000 {
      let calls = (0..<7).map { _ in Counter() }
      pool.parallelFor(round % 8) { calls[$0].value.add(1, ordering: .relaxed) }
      #expect(calls.map { $0.value.load(ordering: .relaxed) } == (0..<7).map { $0 < round % 8 ? 1 : 0 })
    }
  }

  /// More parts than the threads keep count of at once.
  @Test func manyPartsRunOnce() {
    let pool = ThreadPool(threadCount: 3)
    let count = 150_001
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: count) { calls in
      calls.initialize(repeating: 0)
      nonisolated(unsafe) let calls = calls
      pool.parallelFor(count) { calls[$0] += 1 }
      #expect(calls.allSatisfy { $0 == 1 })
    }
  }

  /// A thread that is held up keeps no part from the others.
  @Test(arguments: [2, 5])
  func othersTakeWhatIsLeft(_ threadCount: Int) {
    let pool = ThreadPool(threadCount: threadCount)
    let calls = Counter()
    let parts = 40
    pool.parallelFor(parts) { part in
      if part == 0 {
        for _ in 0..<10_000 where calls.value.load(ordering: .relaxed) < parts - 1 { usleep(1000) }
        #expect(calls.value.load(ordering: .relaxed) == parts - 1)
      }
      calls.value.add(1, ordering: .relaxed)
    }
  }

  /// Each thread begins with neighbouring parts of its own.
  @Test func neighboursGoToOneThread() {
    let pool = ThreadPool(threadCount: 2)
    let first = Mutex<[pthread_t: Int]>([:])
    pool.parallelFor(100) { part in
      first.withLock { if $0[pthread_self()] == nil { $0[pthread_self()] = part } }
      if part == 0 { for _ in 0..<10_000 where first.withLock({ $0.count }) < 2 { usleep(1000) } }
    }
    #expect(Set(first.withLock { $0.values }) == [0, 50])
  }

  /// Work that the pool cannot share, because an enclosing part holds it, is still done.
  @Test func partsMayShareOutWorkThemselves() {
    let pool = ThreadPool(threadCount: 3)
    let calls = Counter()
    pool.parallelFor(5) { _ in pool.parallelFor(4) { _ in calls.value.add(1, ordering: .relaxed) } }
    #expect(calls.value.load(ordering: .relaxed) == 20)
  }

  /// Threads that had fallen asleep come back, and a pool that goes away takes its threads with it.
  /// Two threads that are on one processor when work begins do it on two. The system may move them too, so most counts.
  @Test(.enabled(if: Processor.availableCount > 1)) func threadsLeaveAProcessorThatIsTaken() {
    let pool = ThreadPool(threadCount: 2)
    /// Calls `body` with 0 and 1 at the same time, each on a thread of its own.
    func together(_ body: @Sendable (Int) -> Void) {
      let arrived = Atomic<Int>(0)
      pool.parallelFor(2) { index in
        body(index)
        arrived.add(1, ordering: .sequentiallyConsistent)
        while arrived.load(ordering: .sequentiallyConsistent) < 2 { sched_yield() }
      }
    }
    let places = [Counter(), Counter()]
    let apart = (0..<20).filter { _ in
      let shared = Processor.current
      together { _ in _ = Processor.move(awayFrom: Set(0..<8192).subtracting([shared])) }
      together { places[$0].value.store(Processor.current, ordering: .relaxed) }
      return places[0].value.load(ordering: .relaxed) != places[1].value.load(ordering: .relaxed)
    }
    #expect(apart.count > 10)
  }

  @Test func sleepersWakeUp() async throws {
    for _ in 0..<20 {
      let pool = ThreadPool(threadCount: 4)
      let calls = Counter()
      try await Task.sleep(for: .milliseconds(1))
      pool.parallelFor(50) { _ in calls.value.add(1, ordering: .relaxed) }
      #expect(calls.value.load(ordering: .relaxed) == 50)
    }
  }

  /// A caller that has waited for long for the last part has fallen asleep, and comes back too.
  @Test(arguments: [2, 16])
  func callersWakeUp(_ threadCount: Int) {
    let pool = ThreadPool(threadCount: threadCount)
    let calls = Counter()
    for _ in 0..<30 {
      pool.parallelFor(threadCount) { _ in
        // Whichever part a worker takes, it takes longer than anyone watches.
        usleep(1000)
        calls.value.add(1, ordering: .relaxed)
      }
    }
    #expect(calls.value.load(ordering: .relaxed) == 30 * threadCount)
  }

  /// Several callers share one pool.
  @Test func callersDoNotDisturbEachOther() async {
    let pool = ThreadPool(threadCount: 3)
    await withTaskGroup(of: Int.self) { group in
      for _ in 0..<4 {
        group.addTask {
          let calls = Counter()
          for _ in 0..<500 { pool.parallelFor(6) { _ in calls.value.add(1, ordering: .relaxed) } }
          return calls.value.load(ordering: .relaxed)
        }
      }
      for await calls in group { #expect(calls == 3000) }
    }
  }
}

private final class Counter: Sendable {
  let value = Atomic<Int>(0)
}
