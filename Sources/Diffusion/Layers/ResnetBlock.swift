/// Two normalised convolutions beside a shortcut (He et al., 2016), with the timestep added in between.
struct ResnetBlock: Sendable {
  private let norm1, norm2: GroupNorm
  private let conv1, conv2: Convolution
  private let timeProjection: Linear?
  private let shortcut: Convolution?

  /// A block from `input` to `output` channels.
  ///
  /// - Parameter timeChannels: the width of the timestep's embedding; `nil` for a block that knows no time.
  init(
    _ scope: Scope, _ input: Int, _ output: Int, timeChannels: Int? = nil, groups: Int, epsilon: Float
  ) throws {
    norm1 = try GroupNorm(scope["norm1"], input, groups: groups, epsilon: epsilon)
    conv1 = try Convolution(scope["conv1"], input, output)
    timeProjection = try timeChannels.map { try Linear(scope["time_emb_proj"], $0, output) }
    norm2 = try GroupNorm(scope["norm2"], output, groups: groups, epsilon: epsilon)
    conv2 = try Convolution(scope["conv2"], output, output)
    shortcut = input == output ? nil : try Convolution(scope["conv_shortcut"], input, output, kernel: 1)
  }

  /// [batch, height, width, input] → [batch, height, width, output].
  ///
  /// - Parameter time: the timestep's embedding after its activation, [batch, timeChannels].
  func callAsFunction(_ x: Variable, time: Variable? = nil) -> Variable {
    var h = conv1(norm1(x, silu: true))
    if let time, let timeProjection {
      h = h + timeProjection(time).reshaped([x.shape[0], 1, 1, h.shape[-1]])
    }
    h = conv2(norm2(h, silu: true))
    return (shortcut?(x) ?? x) + h
  }
}
