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
    var masks = [UInt64](repeating: 0, count: 128)
    let failure = masks.withUnsafeMutableBytes { sched_getaffinity(0, UInt($0.count), $0.baseAddress) }
    let scheduled = failure == 0 ? masks.reduce(0) { $0 + $1.nonzeroBitCount } : sysconf(Int32(_SC_NPROCESSORS_ONLN))
    return max(min(scheduled, quota ?? scheduled), 1)
  }()

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
