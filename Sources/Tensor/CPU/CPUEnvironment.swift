import Glibc

/// What the environment asks of the CPU, and what there is where it asks for nothing.
struct CPUEnvironment {
  /// How many threads compute: what `TENSOR_THREADS` says or, without it, one for each processor.
  let threadCount: Int
  /// The vector instructions: those that `DREAMBOOTH_CPU` names or, without it, the best of this machine.
  let instructionSet: InstructionSet

  /// Reads the environment variables that `variable` knows.
  ///
  /// - Throws: which variable asks for what this machine cannot give.
  init(_ variable: (String) -> String?) throws(CPUEnvironmentError) {
    threadCount = try CPUEnvironment.threadCount(variable("TENSOR_THREADS"))
    instructionSet = try CPUEnvironment.instructionSet(variable("DREAMBOOTH_CPU"))
  }

  /// Reads the environment of this process.
  ///
  /// - Throws: which variable asks for what this machine cannot give.
  init() throws(CPUEnvironmentError) {
    try self.init { name in getenv(name).map { String(cString: $0) } }
  }

  private static func threadCount(_ value: String?) throws(CPUEnvironmentError) -> Int {
    guard let value else { return Processor.availableCount }
    guard let count = Int(value), (1...1024).contains(count) else { throw .threadCount(value) }
    return count
  }

  private static func instructionSet(_ value: String?) throws(CPUEnvironmentError) -> InstructionSet {
    guard let value else { return .best }
    guard let set = InstructionSet(rawValue: value), InstructionSet.available.contains(set) else {
      throw .instructionSet(value)
    }
    return set
  }
}

/// An environment variable asks of the CPU what it cannot give.
public enum CPUEnvironmentError: Error, Hashable, CustomStringConvertible {
  /// `TENSOR_THREADS` is no number of threads.
  case threadCount(String)
  /// `DREAMBOOTH_CPU` names no instruction set, or one that this processor lacks.
  case instructionSet(String)

  /// One line that says what to set the variable to.
  public var description: String {
    switch self {
    case .threadCount(let value):
      return "TENSOR_THREADS is \"\(value)\" and must be a number of threads from 1 to 1024"
    case .instructionSet(let value):
      let known = InstructionSet.available.map(\.rawValue).joined(separator: ", ")
      return "DREAMBOOTH_CPU is \"\(value)\"; this processor can run: \(known)"
    }
  }
}
