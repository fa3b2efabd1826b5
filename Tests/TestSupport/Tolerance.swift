/// How far our single precision may lie from PyTorch's, as a `relativeError` over a whole tensor.
///
/// Two correct programs differ because they add in different orders: Float32 rounds at 6e-8, a sum of some hundred
/// terms is good to about 1e-7, and errors grow along the network. PyTorch's own float32 differs from its float64 on
/// these models by at most 6e-7 in any forward tensor and 5.2e-6 in any gradient (`conditioning` in the goldens).
public enum Tolerance {
  /// Forward tensors and losses: seventeen times PyTorch's own rounding, a tenth of what a wrong epsilon or an
  /// approximated activation would show.
  public static let forward = 1e-5

  /// A gradient tensor: twenty times PyTorch's own rounding.
  public static let gradient = 1e-4

  /// Latents after some twenty steps with guidance, which multiplies the difference of two predictions: twelve times
  /// PyTorch's own rounding, and small enough to show a coefficient that is off by one in ten thousand.
  public static let sampledLatents = 2e-5

  /// Levels of 255 that a pixel may be off: a number that lies near the middle between two levels rounds either way.
  public static let pixelLevels = 1

  /// Parameters after steps of AdamW, from what PyTorch's own rounding does to them.
  ///
  /// AdamW divides a gradient by its own size, so an element whose gradient is nearly zero moves by the sign of its
  /// rounding error; the error of a parameter thereby grows like the square root of the gradient's. Both programs lie
  /// within `conditioning` of the exact result, or within twice that if their gradients carry four times PyTorch's
  /// rounding. This stays below 1e-5, the mark that ten steps of weight decay at a rate of 1e-4 leave.
  public static func parameters(conditioning: Double) -> Double { 4 * conditioning }

  /// Beside the largest gradient of a model, one this small is rounding noise: exact zeros are found at 3e-9 and the
  /// smallest true gradients at 2e-4.
  public static let zeroGradient = 1e-6
}
