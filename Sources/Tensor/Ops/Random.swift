extension Tensor {
  /// Numbers of the unit normal distribution; element i depends on the stream, the draw and i alone.
  ///
  /// - Parameter draw: one Int32 on the device, for instance the training step.
  public static func normal(_ shape: Shape, _ stream: RandomStream, draw: Tensor) -> Tensor {
    requireDraw(draw, "normal")
    let out = Tensor(empty: shape, on: draw.backend)
    draw.backend.normal(stream, draw: draw, into: out)
    return out
  }

  /// Uniform numbers in [0, 1); element i depends on the stream, the draw and i alone.
  ///
  /// - Parameter draw: one Int32 on the device, for instance the training step.
  public static func uniform(_ shape: Shape, _ stream: RandomStream, draw: Tensor) -> Tensor {
    requireDraw(draw, "uniform")
    let out = Tensor(empty: shape, on: draw.backend)
    draw.backend.uniform(stream, draw: draw, into: out)
    return out
  }

  private static func requireDraw(_ draw: Tensor, _ operation: String) {
    require(
      draw.dtype == .int32 && draw.count == 1, "\(operation): draw must be one int32, not \(draw.shape) \(draw.dtype)")
  }
}
