extension Tensor {
  /// [batch, channels, height, width], PyTorch's order, to [batch, height, width, channels], the order of all
  /// pictures and latents here.
  public func channelsLast() -> Tensor { transposed([0, 2, 3, 1]) }

  /// [batch, height, width, channels] to PyTorch's order, [batch, channels, height, width].
  public func channelsFirst() -> Tensor { transposed([0, 3, 1, 2]) }
}
