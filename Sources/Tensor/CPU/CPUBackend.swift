import CPUKernels

/// The host's processors. Computes in Float32; half types are stored, moved, cast and taken by the optimiser.
///
/// Every call returns when its work is done. The same inputs give the same bytes however the threads are scheduled:
/// every sum is taken in a fixed order, within parts that do not depend on which thread takes them.
public final class CPUBackend: Backend {
  /// The name for people.
  public let name = "cpu"
  /// Rows of a matrix product.
  public let convolutionLayout = ConvolutionLayout.heightWidthInOut
  /// Float32 alone.
  public let computeTypes: Set<DType> = [.float32]
  let pool = MemoryPool()
  let threads: ThreadPool
  /// The vector instructions that are used.
  public let instructionSet: InstructionSet
  let kernels: any KernelSet.Type
  /// Whether convolutions of 3 x 3 give up digits for speed: Winograd's algorithm then makes 4 x 4 pixels at a time and
  /// not 2 x 2, with 36 multiplications instead of 64 and about three times the rounding error.
  public let fastConvolution: Bool

  /// A backend on `threads` threads with the kernels for `instructionSet`.
  ///
  /// What is left out is chosen as by `init(environment:fastConvolution:)`. Traps where the environment asks for what
  /// this machine cannot give, or where `instructionSet` is not available.
  public convenience init(threads: Int? = nil, instructionSet: InstructionSet? = nil, fastConvolution: Bool = false) {
    do {
      let environment = try CPUEnvironment()
      self.init(
        threads ?? environment.threadCount, instructionSet ?? environment.instructionSet,
        fastConvolution: fastConvolution)
    } catch {
      fatalError("CPUBackend: \(error)")
    }
  }

  /// A backend that is set up as environment variables ask.
  ///
  /// `TENSOR_THREADS` is the number of threads, one for each processor unless set. `DREAMBOOTH_CPU` names the
  /// instruction set, the best of this machine unless set.
  ///
  /// - Parameters:
  ///   - environment: the variables, such as those of `ProcessInfo.processInfo.environment`.
  ///   - fastConvolution: whether convolutions of 3 x 3 give up digits for speed.
  /// - Throws: which variable asks for what this machine cannot give.
  public convenience init(
    environment: [String: String], fastConvolution: Bool = false
  ) throws(CPUEnvironmentError) {
    let environment = try CPUEnvironment { environment[$0] }
    self.init(environment.threadCount, environment.instructionSet, fastConvolution: fastConvolution)
  }

  private init(_ threadCount: Int, _ instructionSet: InstructionSet, fastConvolution: Bool) {
    let isAvailable = InstructionSet.available.contains(instructionSet)
    require(isAvailable, "CPUBackend: this processor does not run \(instructionSet)")
    OpenBLAS.prepared
    self.instructionSet = instructionSet
    kernels = instructionSet.kernels
    self.fastConvolution = fastConvolution
    threads = ThreadPool(threadCount: threadCount)
  }

  /// The number of threads that compute.
  public var threadCount: Int { threads.threadCount }

  /// The processor whose kernels OpenBLAS uses, in its own words.
  public var openBLASProcessor: String { OpenBLAS.processorName }

  /// What the memory pool holds.
  public var memory: MemoryStatistics { pool.statistics }

  /// Takes a block from the pool. Its contents are undefined; debug builds fill it with NaN.
  public func allocate(byteCount: Int) -> MemoryBlock { pool.allocate(byteCount: byteCount) }

  /// Gives a block back to the pool.
  public func release(_ block: MemoryBlock) { pool.release(block) }

  /// Copies bytes into the tensor.
  public func upload(_ bytes: UnsafeRawBufferPointer, into out: Tensor) {
    require(bytes.count == out.byteCount, "upload: \(bytes.count) bytes do not fill \(out.shape) of \(out.dtype)")
    if let source = bytes.baseAddress { out.hostBytes.copyMemory(from: source, byteCount: bytes.count) }
  }

  /// Copies the tensor's bytes.
  public func download(_ x: Tensor, into bytes: UnsafeMutableRawBufferPointer) {
    require(bytes.count == x.byteCount, "download: \(x.shape) of \(x.dtype) does not fill \(bytes.count) bytes")
    bytes.baseAddress?.copyMemory(from: x.hostBytes, byteCount: bytes.count)
  }

  /// Copies at once.
  public func beginDownload(_ x: Tensor) -> any PendingDownload { FinishedDownload(x) }

  /// Returns at once: every call has done its work when it returns.
  public func synchronize() {}

  /// Keeps the work; a replay runs it.
  public func record(_ work: @escaping () -> Void) -> any RecordedWork { RepeatedWork(work) }
}
