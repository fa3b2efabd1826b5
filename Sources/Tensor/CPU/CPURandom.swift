extension CPUBackend {
  /// Uniform numbers in [0, 1), as `RandomStream` defines them.
  public func uniform(_ stream: RandomStream, draw: Tensor, into out: Tensor) {
    let (target, draw) = (out.host("uniform"), draw.drawNumber)
    forEachChunk(out.count) { range in
      stream.fillUniforms(
        UnsafeMutableBufferPointer(start: target + range.lowerBound, count: range.count), draw: draw,
        first: range.lowerBound)
    }
  }

  /// Numbers of the unit normal distribution, as `RandomStream` defines them.
  public func normal(_ stream: RandomStream, draw: Tensor, into out: Tensor) {
    let (target, draw) = (out.host("normal"), draw.drawNumber)
    forEachChunk(out.count) { range in
      stream.fillNormals(
        UnsafeMutableBufferPointer(start: target + range.lowerBound, count: range.count), draw: draw,
        first: range.lowerBound)
    }
  }
}

extension Tensor {
  /// The number of the draw, kept as one Int32.
  fileprivate var drawNumber: UInt32 {
    UInt32(bitPattern: UnsafeMutablePointer<Int32>(address: address).pointee)
  }
}
