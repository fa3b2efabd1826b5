import Glibc
import Synchronization

/// A fixed set of threads that share out the parts of one piece of work at a time.
///
/// The parts of a piece of work are fixed by the caller, so what is computed does not depend on which thread takes
/// which part, nor on how many threads there are. Whoever waits, a thread for new work or the caller for the last part,
/// watches for a tenth of a millisecond, which covers the gap between two operations, and then sleeps. No more threads
/// watch than there are processors, since they would keep them from those that have work.
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
        withoutActuallyEscaping(body) { crew.carryOut(count, $0) }
      }
      if shared != nil { return }
    }
    for index in 0..<max(count, 0) { body(index) }
  }
}

/// What the threads of a pool share.
///
/// `ticket` holds the generation of the current work in its upper and the number of parts not yet taken in its lower
/// half. A part is taken by decrementing it, which fails once the generation has passed; `body` and `partCount` are
/// written before the ticket that announces them and stay untouched until `unfinished` is back at zero. That protocol
/// is what makes the unchecked conformance right.
private final class Crew: @unchecked Sendable {
  // What is written at different times lies in different cache lines, or each write would slow down all who watch.
  private let header = CacheLines(repeating: 0)
  private let ticket = Atomic<UInt64>(0)
  private var body: ((Int) -> Void)?
  private var partCount = 0
  private let announcement = CacheLines(repeating: 0)
  private let unfinished = Atomic<Int>(0)
  private let result = CacheLines(repeating: 0)
  private let dismissed = Atomic<Bool>(false)
  private let caller = Sleeper(watches: true)
  private let sleepers: [Sleeper]
  private var threads: [pthread_t] = []

  init(workers: Int) {
    sleepers = (0..<workers).map { Sleeper(watches: $0 + 1 < Processor.availableCount) }
    for sleeper in sleepers {
      let start = Unmanaged.passRetained(WorkerStart(crew: self, sleeper: sleeper))
      var thread = pthread_t()
      let failure = pthread_create(&thread, nil, { runWorker($0) }, start.toOpaque())
      require(failure == 0, "ThreadPool: the system gives no more threads (error \(failure))")
      threads.append(thread)
    }
  }

  /// Ends the threads; called when no work is under way.
  func dismiss() {
    dismissed.store(true, ordering: .releasing)
    ticket.store(((ticket.load(ordering: .relaxed) >> 32) &+ 1) << 32, ordering: .sequentiallyConsistent)
    for sleeper in sleepers { sleeper.wake() }
    for thread in threads { pthread_join(thread, nil) }
  }

  /// Announces work, takes part in it and waits for its end.
  func carryOut(_ count: Int, _ body: @escaping (Int) -> Void) {
    require(count <= Int(UInt32.max), "ThreadPool: \(count) parts are too many")
    self.body = body
    partCount = count
    unfinished.store(count, ordering: .relaxed)
    let generation = ((ticket.load(ordering: .relaxed) >> 32) &+ 1) & 0xffff_ffff
    ticket.store(generation << 32 | UInt64(count), ordering: .sequentiallyConsistent)
    for sleeper in sleepers.prefix(count - 1) { sleeper.wake() }
    finish(takeParts(of: generation))
    wait(on: caller) { unfinished.load(ordering: .sequentiallyConsistent) == 0 }
    self.body = nil
  }

  /// Carries out parts until none is left. A function of its own, so that no reference to `body` outlives the call.
  @inline(never)
  private func takeParts(of generation: UInt64) -> Int {
    guard var remaining = take(from: generation), let body else { return 0 }
    var finished = 0
    while true {
      body(partCount - remaining)
      finished += 1
      guard let next = take(from: generation) else { return finished }
      remaining = next
    }
  }

  /// The number of parts that were left, one of which now belongs to the caller.
  private func take(from generation: UInt64) -> Int? {
    var word = ticket.load(ordering: .acquiring)
    while word >> 32 == generation && word & 0xffff_ffff > 0 {
      let (exchanged, original) = ticket.weakCompareExchange(
        expected: word, desired: word - 1, ordering: .acquiringAndReleasing)
      if exchanged { return Int(word & 0xffff_ffff) }
      word = original
    }
    return nil
  }

  /// Counts parts as finished. Whoever finishes the last one wakes the caller.
  private func finish(_ count: Int) {
    guard count > 0 else { return }
    let left = unfinished.subtract(count, ordering: .sequentiallyConsistent).newValue
    if left == 0 { caller.wake() }
  }

  /// The life of a worker thread.
  func work(_ sleeper: Sleeper) {
    var seen: UInt64 = 0
    while true {
      wait(on: sleeper) { ticket.load(ordering: .sequentiallyConsistent) >> 32 != seen }
      seen = ticket.load(ordering: .acquiring) >> 32
      if dismissed.load(ordering: .acquiring) { return }
      finish(takeParts(of: seen))
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
  let sleeper: Sleeper

  init(crew: Crew, sleeper: Sleeper) {
    self.crew = crew
    self.sleeper = sleeper
  }
}

private func runWorker(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  guard let argument else { return nil }
  let start = Unmanaged<WorkerStart>.fromOpaque(argument).takeRetainedValue()
  start.crew.work(start.sleeper)
  return nil
}
