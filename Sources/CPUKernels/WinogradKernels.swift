/// What surrounds the products of a convolution of 3 x 3 by Winograd's algorithm F(2 x 2, 3 x 3), which makes 2 x 2
/// pixels of the result, a tile, from 4 x 4 pixels of the picture, a window, with 16 multiplications instead of 36
/// (A. Lavin, S. Gray, Fast Algorithms for Convolutional Neural Networks, 2016):
///
///     Y = Aᵀ [(G g Gᵀ) ∘ (Bᵀ d B)] A        ∂g = Gᵀ [(Bᵀ d B) ∘ (A ∂Y Aᵀ)] G
///
/// Summed over channels, each of the 16 elements is a product of matrices of its own; `ProductKernels` computes them.
/// A window or a tile is given by the addresses of its pixels, so that windows may leave the picture: all pixels outside
/// are one row of zeros.
public protocol WinogradKernels: SendableMetatype {
  /// Bᵀ d B of windows, 16 matrices [tiles, pitch].
  ///
  /// - Parameters:
  ///   - pixels: the addresses of the windows' pixels, [tiles, 4, 4].
  ///   - channel: the first channel that is read.
  ///   - pitch: the distance between rows of a matrix. Rows are written one after another, in whole vectors: what goes
  ///     beyond the channels of one is overwritten by the next, and after the last there must be room for a vector.
  ///   - distance: the distance between the 16 matrices.
  static func transformWindows(
    _ pixels: RowPointers, tiles: Int, channel: Int, channels: Int, into matrices: Floats, pitch: Int, distance: Int)

  /// G g Gᵀ of weights, 16 right operands [depth, columns] in order for products (see `packPanels`).
  ///
  /// - Parameters:
  ///   - weights: nine matrices at a distance of `tapDistance`: [depth, columns], or [columns, depth] where `isTurned`.
  ///   - stride: the distance between rows of these matrices.
  ///   - isTurned: whether to turn the weights by 180° and to exchange their rows and columns, as the derivative by the
  ///     input asks for.
  ///   - distance: the distance between the 16 operands.
  static func transformWeights(
    _ weights: ConstantFloats, tapDistance: Int, stride: Int, isTurned: Bool, depth: Int, columns: Int,
    into panels: Floats, distance: Int)

  /// Aᵀ m A of sums, 16 matrices [tiles, pitch], plus a bias.
  ///
  /// - Parameters:
  ///   - distance: the distance between the 16 matrices.
  ///   - pixels: where the channels of the tiles' pixels go, [tiles, 2, 2]; those outside the picture may go anywhere.
  ///   - bias: what is added to each channel.
  static func transformSums(
    _ matrices: ConstantFloats, pitch: Int, distance: Int, tiles: Int, channels: Int,
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
