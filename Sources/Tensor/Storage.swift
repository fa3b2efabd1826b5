/// An address in some device's memory. It is a plain number, so a tensor is `Sendable` without promises.
public struct MemoryBlock: Sendable, Hashable {
  /// Where the block starts, in the address space of the backend that made it.
  public let address: UInt
  /// The size of the block in bytes.
  public let byteCount: Int

  /// A block at an address of the calling backend's own memory.
  public init(address: UInt, byteCount: Int) {
    self.address = address
    self.byteCount = byteCount
  }
}

/// One block of device memory, returned to its backend when the last tensor that uses it goes away.
public final class Storage: Sendable {
  /// The device the block lives on.
  public let backend: any Backend
  /// The block itself.
  public let block: MemoryBlock

  /// Takes `byteCount` bytes from a backend's pool. The contents are undefined.
  public init(_ backend: any Backend, byteCount: Int) {
    self.backend = backend
    block = backend.allocate(byteCount: byteCount)
  }

  deinit { backend.release(block) }
}
