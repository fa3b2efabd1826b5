import CPUKernels
import Glibc

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

  /// A backend on `threads` threads: by default as many as the environment variable `TENSOR_THREADS` says or, without
  /// it, as there are processors. It uses the best vector instructions of this machine, unless the environment variable
  /// `DREAMBOOTH_CPU` or `instructionSet` name others.
  public init(threads: Int? = nil, instructionSet: InstructionSet? = nil) {
    OpenBLAS.prepared
    self.instructionSet = instructionSet ?? .chosen
    require(
      InstructionSet.available.contains(self.instructionSet), "CPUBackend: this processor has no \(self.instructionSet)"
    )
    kernels = self.instructionSet.kernels
    self.threads = ThreadPool(threadCount: threads ?? CPUBackend.requestedThreads ?? OpenBLAS.availableProcessors)
  }

  private static var requestedThreads: Int? {
    getenv("TENSOR_THREADS").flatMap { Int(String(cString: $0)) }
  }

  /// The number of threads that compute.
  public var threadCount: Int { threads.threadCount }

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
