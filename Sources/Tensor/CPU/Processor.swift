import CLinux
import Glibc

/// What the system says of the processor.
enum Processor {
  /// The names of its features, as in /proc/cpuinfo.
  static let features: Set<String> = {
    guard let line = lines(of: "/proc/cpuinfo").first(where: { $0.hasPrefix("flags") }) else { return [] }
    return Set(line.split(whereSeparator: \.isWhitespace).map(String.init))
  }()

  /// How many processors this process may use: those that it may be scheduled on, and no more than its control group
  /// (of version 2) may keep busy.
  static let availableCount: Int = {
    let scheduled = allowed?.reduce(0) { $0 + $1.nonzeroBitCount } ?? sysconf(Int32(_SC_NPROCESSORS_ONLN))
    return max(min(scheduled, quota ?? scheduled), 1)
  }()

  /// Those that the calling thread may be scheduled on, one bit each; `nil` where the system does not say.
  static var allowed: [UInt64]? {
    var masks = [UInt64](repeating: 0, count: 128)
    let failure = masks.withUnsafeMutableBytes { sched_getaffinity(0, UInt($0.count), $0.baseAddress) }
    return failure == 0 ? masks : nil
  }

  /// The number of the processor that the calling thread is on.
  static var current: Int { Int(sched_getcpu()) }

  /// Moves the calling thread to a processor that is none of `taken`. It may still be scheduled wherever it could be.
  ///
  /// - Returns: whether there was one.
  static func move(awayFrom taken: Set<Int>) -> Bool {
    guard let allowed, let processor = firstFree(in: allowed, besides: taken) else { return false }
    var one = [UInt64](repeating: 0, count: allowed.count)
    one[processor / 64] = 1 << UInt64(processor % 64)
    func restrict(to masks: [UInt64]) -> Bool {
      masks.withUnsafeBytes { sched_setaffinity(0, UInt($0.count), $0.baseAddress) } == 0
    }
    return restrict(to: one) && restrict(to: allowed)
  }

  /// The first processor of a set that is none of `taken`.
  static func firstFree(in masks: [UInt64], besides taken: Set<Int>) -> Int? {
    (0..<64 * masks.count).first { masks[$0 / 64] >> UInt64($0 % 64) & 1 == 1 && !taken.contains($0) }
  }

  /// The processors that the control group's share of time is worth, rounded up; `nil` where there is no limit.
  private static var quota: Int? {
    guard let entry = lines(of: "/proc/self/cgroup").first(where: { $0.hasPrefix("0::") }) else { return nil }
    var group = entry.dropFirst(3).split(separator: "/")
    var limits: [Int] = []
    while true {
      let file = (["/sys/fs/cgroup"] + group + ["cpu.max"]).joined(separator: "/")
      limits += lines(of: file).compactMap(processorCount)
      guard group.popLast() != nil else { return limits.min() }
    }
  }

  /// What a line of `cpu.max` is worth: microseconds of computing in a period of so many microseconds, or "max".
  static func processorCount(quota line: String) -> Int? {
    let numbers = line.split(whereSeparator: \.isWhitespace).map { Int($0) }
    guard numbers.count == 2, let time = numbers[0], let period = numbers[1], time > 0, period > 0 else { return nil }
    return (time + period - 1) / period
  }

  /// The lines of a file of the system; none where it cannot be read.
  private static func lines(of path: String) -> [String] {
    guard let file = fopen(path, "r") else { return [] }
    defer { fclose(file) }
    var (lines, line, capacity) = ([String](), UnsafeMutablePointer<CChar>?.none, 0)
    defer { free(line) }
    while getline(&line, &capacity, file) > 0 {
      if let line { lines.append(String(cString: line)) }
    }
    return lines
  }
}
