import Foundation
import Glibc
import Tensor

/// Reads inputs in a process of its own, whose memory and time are limited, so that whatever happens is noticed.
struct Worker {
  /// Inputs have at most 128 KB; whoever needs more than this to read one was lied to.
  private static let memoryAllowance = 96 << 20
  /// In seconds of processor time. No input takes a tenth of a second.
  private static let timeLimit = 10

  private let inputs: Inputs
  private let progress: Int32
  private let folder: URL

  /// - Parameter progress: the file in which the number of each input is noted before it is read. Files lie beside it.
  init(_ inputs: Inputs, progress path: String) throws {
    self.inputs = inputs
    folder = URL(filePath: path).deletingLastPathComponent().appending(path: "files")
    progress = open(path, O_WRONLY | O_CLOEXEC)
    guard progress >= 0 else { throw FileError(path: path, action: .write, code: errno) }
  }

  /// Reads all inputs and prints how they were taken.
  func run() throws {
    let seeds = try inputs.target.seeds()
    let reading = try Reading(inputs.target, seeds: seeds, in: folder)
    // What is only needed once shall not count against the inputs.
    for seed in seeds { _ = try reading.read(seed.bytes, of: seed) }
    try limitMemory()
    var (accepted, refused) = (0, 0)
    for number in inputs.numbers {
      var noted = Int64(number)
      pwrite(progress, &noted, 8, 0)
      limitTime()
      if let fault = inputs.fault, fault.number == number { fault.kind.happen() }
      let input = inputs.make(number, from: seeds)
      switch try reading.read(input.bytes, of: input.file) {
      case .accepted: accepted += 1
      case .refused: refused += 1
      case .unclear(let error): print("unclear \(number) \(error)")
      }
    }
    print("taken \(accepted) \(refused)")
  }

  /// Limits what may be allocated from now on: beyond it allocations fail, which ends the process.
  private func limitMemory() throws {
    let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmData:") }),
      let kilobytes = line.split(separator: " ").dropFirst().first.flatMap({ Int($0) })
    else { throw FileError(path: "/proc/self/status", action: .read, code: EIO) }
    let bytes = rlim_t(kilobytes << 10 + Self.memoryAllowance)
    var limit = rlimit(rlim_cur: bytes, rlim_max: bytes)
    guard setrlimit(__rlimit_resource_t(RLIMIT_DATA.rawValue), &limit) == 0 else {
      throw FileError(path: "RLIMIT_DATA", action: .write, code: errno)
    }
  }

  /// Lets the processor time of the next input run out after a while, which ends the process.
  private func limitTime() {
    var timer = itimerval(it_interval: timeval(), it_value: timeval(tv_sec: Self.timeLimit, tv_usec: 0))
    setitimer(__itimer_which_t(ITIMER_PROF.rawValue), &timer, nil)
  }
}
