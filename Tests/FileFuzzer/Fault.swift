import Glibc

/// What a reader must never do, so that it can be seen whether the fuzzer notices it.
enum Fault: String, CaseIterable {
  case crash
  case hang
  case allocation

  /// Does it.
  func happen() {
    switch self {
    case .crash: fatalError("a crash on purpose")
    case .hang: while true { _ = getppid() }
    case .allocation:
      let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 30, alignment: 64)
      for index in stride(from: 0, to: bytes.count, by: 4096) { bytes[index] = 1 }
    }
  }
}
