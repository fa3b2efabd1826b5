/// The tiles of a result that Winograd's algorithm makes at once, by their side in pixels.
public enum WinogradTile: Int, Sendable {
  /// F(2 x 2, 3 x 3): 16 multiplications instead of 36.
  case two = 2
  /// F(4 x 4, 3 x 3): 36 multiplications instead of 144, and about three times the rounding error.
  case four = 4

  /// The side of a tile.
  public var side: Int { rawValue }
  /// The side of the window that a tile is made from.
  public var windowSide: Int { side + 2 }
  /// The pixels of a window, and the multiplications for each pair of channels.
  public var elements: Int { windowSide * windowSide }
}

/// What surrounds the products of a convolution of 3 x 3 by Winograd's algorithm, which makes a tile of the result from
/// a window of the picture, one pixel wider on each side, with one multiplication for each pixel of the window
/// (A. Lavin, S. Gray, Fast Algorithms for Convolutional Neural Networks, 2016):
///
///     Y = Aᵀ [(G g Gᵀ) ∘ (Bᵀ d B)] A        ∂g = Gᵀ [(Bᵀ d B) ∘ (A ∂Y Aᵀ)] G
///
/// Summed over channels, each element of the window is a product of matrices of its own; `ProductKernels` computes them.
/// A window or a tile is given by the addresses of its pixels, so that windows may leave the picture: all pixels outside
/// are one row of zeros. The derivative by the weights has tiles of 2 x 2 pixels only, whose 16 elements are named below.
public protocol WinogradKernels: SendableMetatype {
  /// Bᵀ d B of windows, a matrix [tiles, pitch] for each element.
  ///
  /// - Parameters:
  ///   - pixels: the addresses of the windows' pixels, [tiles, side, side].
  ///   - channel: the first channel that is read.
  ///   - pitch: the distance between rows of a matrix. Rows are written one after another, in whole vectors: what goes
  ///     beyond the channels of one is overwritten by the next, and after the last there must be room for a vector.
  ///   - distance: the distance between matrices.
  static func transformWindows(
    _ tile: WinogradTile, _ pixels: RowPointers, tiles: Int, channel: Int, channels: Int, into matrices: Floats,
    pitch: Int, distance: Int)

  /// G g Gᵀ of weights, a right operand [depth, columns] in order for products (see `packPanels`) for each element.
  ///
  /// - Parameters:
  ///   - weights: nine matrices at a distance of `tapDistance`: [depth, columns], or [columns, depth] where `isTurned`.
  ///   - stride: the distance between rows of these matrices.
  ///   - isTurned: whether to turn the weights by 180° and to exchange their rows and columns, as the derivative by the
  ///     input asks for.
  ///   - distance: the distance between operands.
  static func transformWeights(
    _ tile: WinogradTile, _ weights: ConstantFloats, tapDistance: Int, stride: Int, isTurned: Bool, depth: Int,
    columns: Int, into panels: Floats, distance: Int)

  /// Aᵀ m A of sums, a matrix [tiles, pitch] for each element, plus a bias.
  ///
  /// - Parameters:
  ///   - distance: the distance between matrices.
  ///   - pixels: where the channels of the tiles' pixels go, [tiles, side, side]; those outside the picture may go anywhere.
  ///   - bias: what is added to each channel.
  static func transformSums(
    _ tile: WinogradTile, _ matrices: ConstantFloats, pitch: Int, distance: Int, tiles: Int, channels: Int,
    into pixels: UnsafePointer<Floats>, bias: ConstantFloats?, _ write: Write)

  /// A ∂Y Aᵀ of tiles of gradients, 16 right operands [tiles, channels] in order for products.
  ///
  /// - Parameters:
  ///   - pixels: the addresses of the tiles' pixels, [tiles, 2, 2].
  ///   - distance: the distance between the 16 operands.
  static func transformGradients(
    _ pixels: RowPointers, tiles: Int, channel: Int, channels: Int, into panels: Floats, distance: Int)

  /// Gᵀ u G of sums, 16 matrices [rows, columns]: the derivative by the weights, nine matrices [rows, columns].
  ///
  /// - Parameters:
  ///   - distance: the distance between the 16 matrices.
  ///   - tapDistance: the distance between the nine matrices.
  ///   - stride: the distance between their rows.
  static func transformWeightSums(
    _ matrices: ConstantFloats, distance: Int, rows: Int, columns: Int, into weights: Floats, tapDistance: Int,
    stride: Int, _ write: Write)
}
