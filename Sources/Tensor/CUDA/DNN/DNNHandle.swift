import Synchronization

/// cuDNN, tied to one stream of one GPU, with the plans made so far.
final class DNNHandle: Sendable {
  let library: DNNLibrary
  /// What cuDNN calls the handle.
  let pointer: UInt
  /// Only one thread at a time may use a handle.
  private let turn = Mutex(())
  private let plans = Mutex<[DNNConvolution: DNNConvolutionPlan]>([:])

  /// A handle on the GPU that is current on this thread.
  ///
  /// - Parameter stream: where everything is enqueued.
  /// - Throws: `CUDALibraryError` where cuDNN is missing, too old or cannot work on the GPU.
  init(stream: UInt) throws(CUDALibraryError) {
    let library = try DNNLibrary.shared.get()
    var pointer: UInt = 0
    try library.require(library.createHandle(&pointer), "cudnnCreate")
    self.library = library
    self.pointer = pointer
    try library.require(library.setStream(pointer, stream), "cudnnSetStream")
  }

  deinit {
    plans.withLock { $0.removeAll() }
    _ = library.destroyHandle(pointer)
  }

  /// The plan for a convolution, made when it is first asked for.
  func plan(for convolution: DNNConvolution) throws(CUDALibraryError) -> DNNConvolutionPlan {
    if let plan = plans.withLock({ $0[convolution] }) { return plan }
    let plan = try DNNConvolutionPlan.best(for: convolution, self)
    plans.withLock { $0[convolution] = plan }
    return plan
  }

  /// Enqueues a plan with the given tensors.
  func execute(_ plan: DNNDescriptor, _ pack: DNNDescriptor) throws(CUDALibraryError) {
    let status = turn.withLock { _ in library.execute(pointer, plan.pointer, pack.pointer) }
    try library.require(status, "cudnnBackendExecute")
  }
}
