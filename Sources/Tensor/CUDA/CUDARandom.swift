extension CUDABackend {
  /// Uniform numbers in [0, 1), as `RandomStream` defines them.
  public func uniform(_ stream: RandomStream, draw: Tensor, into out: Tensor) {
    random("uniform", stream, draw: draw, into: out)
  }

  /// Numbers of the unit normal distribution, as `RandomStream` defines them.
  public func normal(_ stream: RandomStream, draw: Tensor, into out: Tensor) {
    random("normal", stream, draw: draw, into: out)
  }

  private func random(_ function: String, _ stream: RandomStream, draw: Tensor, into out: Tensor) {
    require(out.dtype == .float32, "\(function): makes float32, not \(out.dtype)")
    require(draw.dtype == .int32, "\(function): the draw is \(draw.dtype), not int32")
    let elementsPerThread = 4
    launch(
      Kernel(.random, function), grid: .covering(out.count, perBlock: Self.flatThreads * elementsPerThread),
      threads: Self.flatThreads,
      .tensor(out), .int64(out.count), .uint64(stream.seed), .uint32(stream.stream), .tensor(draw))
  }
}
