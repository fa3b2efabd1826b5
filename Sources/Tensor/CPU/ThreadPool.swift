import Glibc
import Synchronization

/// A fixed set of threads that share out the parts of one piece of work at a time.
///
/// The parts of a piece of work are fixed by the caller, so what is computed does not depend on which thread takes
/// which part, nor on how many threads there are. Each thread begins with a share of consecutive parts of its own, and
/// takes the last ones of others when it is done: neighbouring parts often write to the same page of memory, and
/// threads that do so at the same time were measured to slow each other down to half their speed.
///
/// Whoever waits, a thread for new work or the caller for the last part, watches for a tenth of a millisecond, which
/// covers the gap between two operations, and then sleeps. No more threads watch than there are processors, since they
/// would keep them from those that have work.
///
/// A thread that finds itself on the processor of another one moves to a free one. The system may take a tenth of a
/// second to see to that, in which two threads were measured to do the work of one.
final class ThreadPool: Sendable {
  /// How many threads work, the caller's included.
  let threadCount: Int
  private let crew: Crew
  private let turn = Mutex(())

  /// A pool of `threadCount` threads, one of which is whoever calls.
  init(threadCount: Int) {
    self.threadCount = max(threadCount, 1)
    crew = Crew(workers: self.threadCount - 1)
  }

  deinit { crew.dismiss() }

  /// Calls `body` once for every index below `count`, on all threads, and returns when all calls have returned.
  ///
  /// When another caller, or an enclosing part, holds the pool, the calls are made one after the other right here.
  func parallelFor(_ count: Int, _ body: (Int) -> Void) {
    if count > 1 && threadCount > 1 {
      let shared: Void? = turn.withLockIfAvailable { _ in
        for first in stride(from: 0, to: count, by: Share.mostParts) {
          let parts = min(Share.mostParts, count - first)
          if first == 0 && parts == count {
            withoutActuallyEscaping(body) { crew.carryOut(count, $0) }
          } else {
            withoutActuallyEscaping({ body(first + $0) }) { crew.carryOut(parts, $0) }
          }
        }
      }
      if shared != nil { return }
    }
    for index in 0..<max(count, 0) { body(index) }
  }
}

/// What the threads of a pool share.
///
/// Every piece of work has a generation. `body` and the shares are written before the generation is announced; a part
/// is taken from a share only while that is of the same generation, and `body` stays untouched until `unfinished` is
/// back at zero. That protocol is what makes the unchecked conformance right.
private final class Crew: @unchecked Sendable {
  // What is written at different times lies in different cache lines, or each write would slow down all who watch.
  private let header = CacheLines(repeating: 0)
  private let generation = Atomic<UInt32>(0)
  private var body: ((Int) -> Void)?
  private let announcement = CacheLines(repeating: 0)
  private let unfinished = Atomic<Int>(0)
  private let result = CacheLines(repeating: 0)
  private let dismissed = Atomic<Bool>(false)
  private let caller = Sleeper(watches: true)
  private let sleepers: [Sleeper]
  /// The caller's share and those of the workers.
  private let shares: [Share]
  private var threads: [pthread_t] = []

  init(workers: Int) {
    sleepers = (0..<workers).map { Sleeper(watches: $0 + 1 < Processor.availableCount) }
    shares = (0...workers).map { _ in Share() }
    for worker in 0..<workers {
      let start = Unmanaged.passRetained(WorkerStart(crew: self, number: worker))
      var thread = pthread_t()
      let failure = pthread_create(&thread, nil, { runWorker($0) }, start.toOpaque())
      require(failure == 0, "ThreadPool: the system gives no more threads (error \(failure))")
      threads.append(thread)
    }
  }

  /// Ends the threads; called when no work is under way.
  func dismiss() {
    dismissed.store(true, ordering: .releasing)
    generation.add(1, ordering: .sequentiallyConsistent)
    for sleeper in sleepers { sleeper.wake() }
    for thread in threads { pthread_join(thread, nil) }
  }

  /// Announces work, takes part in it and waits for its end.
  func carryOut(_ count: Int, _ body: @escaping (Int) -> Void) {
    settle(0)
    self.body = body
    unfinished.store(count, ordering: .relaxed)
    let next = generation.load(ordering: .relaxed) &+ 1
    let takers = min(count, shares.count)
    for taker in 0..<takers {
      shares[taker].give(count * taker / takers..<count * (taker + 1) / takers, of: next)
    }
    generation.store(next, ordering: .sequentiallyConsistent)
    for sleeper in sleepers.prefix(count - 1) { sleeper.wake() }
    finish(takeParts(of: next, by: 0))
    wait(on: caller) { unfinished.load(ordering: .sequentiallyConsistent) == 0 }
    self.body = nil
  }

  /// Carries out parts until none is left. A function of its own, so that no reference to `body` outlives the call.
  @inline(never)
  private func takeParts(of generation: UInt32, by taker: Int) -> Int {
    guard var part = take(of: generation, by: taker), let body else { return 0 }
    var finished = 0
    while true {
      body(part)
      finished += 1
      guard let next = take(of: generation, by: taker) else { return finished }
      part = next
    }
  }

  /// A part that now belongs to one of the threads: of its own share, or else the last one of the largest.
  private func take(of generation: UInt32, by taker: Int) -> Int? {
    if let part = shares[taker].takeFirst(of: generation) { return part }
    while true {
      var (largest, count) = (taker, 0)
      for (index, share) in shares.enumerated() {
        let left = share.count(of: generation)
        if left > count { (largest, count) = (index, left) }
      }
      if count == 0 { return nil }
      if let part = shares[largest].takeLast(of: generation) { return part }
    }
  }

  /// Counts parts as finished. Whoever finishes the last one wakes the caller.
  private func finish(_ count: Int) {
    guard count > 0 else { return }
    let left = unfinished.subtract(count, ordering: .sequentiallyConsistent).newValue
    if left == 0 { caller.wake() }
  }

  /// The life of a worker thread.
  func work(_ number: Int) {
    let sleeper = sleepers[number]
    var seen: UInt32 = 0
    while true {
      wait(on: sleeper) { generation.load(ordering: .sequentiallyConsistent) != seen }
      seen = generation.load(ordering: .acquiring)
      if dismissed.load(ordering: .acquiring) { return }
      settle(number + 1)
      finish(takeParts(of: seen, by: number + 1))
    }
  }

  /// Notes on which processor a thread is. If another one is there and the thread is a worker, it moves.
  private func settle(_ taker: Int) {
    guard shares.count <= Processor.availableCount else { return }
    if taker > 0 {
      let others = shares.indices.lazy.filter { $0 != taker }.map { self.shares[$0].processor.load(ordering: .relaxed) }
      if others.contains(Processor.current) { _ = Processor.move(awayFrom: Set(others)) }
    }
    let processor = Processor.current
    if shares[taker].processor.load(ordering: .relaxed) != processor {
      shares[taker].processor.store(processor, ordering: .relaxed)
    }
  }

  /// Watches for something to become true, and sleeps where that takes long. Whoever makes it true wakes the sleeper.
  private func wait(on sleeper: Sleeper, until isTrue: () -> Bool) {
    if isTrue() { return }
    let deadline = sleeper.watches ? nanoseconds() + 100_000 : 0
    repeat {
      for _ in 0..<256 where isTrue() { return }
    } while nanoseconds() < deadline
    while !isTrue() { sleeper.sleep { !isTrue() } }
  }

  private func nanoseconds() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }
}

/// Consecutive parts of a piece of work, of which its owner takes the first and all others the last.
private final class Share: Sendable {
  /// The most parts that a share can hold.
  static var mostParts: Int { 0xffff }

  private let header = CacheLines(repeating: 0)
  /// The generation, the first part that is left and the end of those that are.
  private let word = Atomic<UInt64>(0)
  /// Where its owner was last; no processor has the number at first.
  let processor = Atomic<Int>(-1)
  private let trailer = CacheLines(repeating: 0)

  /// Fills the share.
  func give(_ parts: Range<Int>, of generation: UInt32) {
    let bounds = UInt64(parts.lowerBound) << 16 | UInt64(parts.upperBound)
    word.store(UInt64(generation) << 32 | bounds, ordering: .releasing)
  }

  /// How many parts of a generation are left.
  func count(of generation: UInt32) -> Int { Share.parts(word.load(ordering: .relaxed), of: generation).count }

  func takeFirst(of generation: UInt32) -> Int? {
    take(of: generation) { parts, word in (parts.lowerBound, word + 0x1_0000) }
  }

  func takeLast(of generation: UInt32) -> Int? {
    take(of: generation) { parts, word in (parts.upperBound - 1, word - 1) }
  }

  /// Takes one of the parts that are left and stores what remains of them.
  @inline(__always)
  private func take(
    of generation: UInt32, _ choose: (_ parts: Range<Int>, _ word: UInt64) -> (part: Int, remaining: UInt64)
  ) -> Int? {
    var current = word.load(ordering: .acquiring)
    while true {
      let parts = Share.parts(current, of: generation)
      if parts.isEmpty { return nil }
      let choice = choose(parts, current)
      let (exchanged, original) = word.weakCompareExchange(
        expected: current, desired: choice.remaining, ordering: .acquiringAndReleasing)
      if exchanged { return choice.part }
      current = original
    }
  }

  private static func parts(_ word: UInt64, of generation: UInt32) -> Range<Int> {
    let (first, end) = (Int(word >> 16 & 0xffff), Int(word & 0xffff))
    return word >> 32 == UInt64(generation) && first < end ? first..<end : 0..<0
  }
}

/// Two cache lines: processors fetch them in pairs.
private typealias CacheLines = InlineArray<16, UInt64>

/// Where one thread sleeps. The semaphore is safe to use from any thread, hence the unchecked conformance.
private final class Sleeper: @unchecked Sendable {
  /// Whether the thread watches for a while before it sleeps.
  let watches: Bool
  private let asleep = Atomic<Bool>(false)
  private let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

  init(watches: Bool) {
    self.watches = watches
    sem_init(semaphore, 0, 0)
  }

  deinit {
    sem_destroy(semaphore)
    semaphore.deallocate()
  }

  /// Sleeps until `wake`, unless `condition` no longer holds once falling asleep has been announced.
  func sleep(while condition: () -> Bool) {
    asleep.store(true, ordering: .sequentiallyConsistent)
    // Whoever clears the flag owes or is owed one signal: a waker that cleared it posts, so the wait returns at once.
    if !condition() && asleep.exchange(false, ordering: .sequentiallyConsistent) { return }
    while sem_wait(semaphore) != 0 {}
  }

  /// Ends the sleep, if there is one.
  func wake() {
    if asleep.load(ordering: .sequentiallyConsistent) && asleep.exchange(false, ordering: .sequentiallyConsistent) {
      sem_post(semaphore)
    }
  }
}

private final class WorkerStart {
  let crew: Crew
  let number: Int

  init(crew: Crew, number: Int) {
    self.crew = crew
    self.number = number
  }
}

private func runWorker(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  guard let argument else { return nil }
  let start = Unmanaged<WorkerStart>.fromOpaque(argument).takeRetainedValue()
  start.crew.work(start.number)
  return nil
}
