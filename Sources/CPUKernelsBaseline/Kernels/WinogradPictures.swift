public import CPUKernels

extension Kernels {
  /// Bᵀ d B of windows; see `WinogradKernels`.
  public static func transformWindows(
    _ tile: WinogradTile, _ pixels: RowPointers, tiles: Int, channel: Int, channels: Int, into matrices: Floats,
    pitch: Int, distance: Int
  ) {
    switch tile {
    case .two:
      transformWindows(
        TilesOfTwo.self, pixels, tiles: tiles, channel: channel, channels: channels, into: matrices, pitch: pitch,
        distance: distance)
    case .four:
      transformWindows(
        TilesOfFour.self, pixels, tiles: tiles, channel: channel, channels: channels, into: matrices, pitch: pitch,
        distance: distance)
    }
  }

  @inline(__always)
  private static func transformWindows<Tiles: WinogradTransforms>(
    _: Tiles.Type, _ pixels: RowPointers, tiles: Int, channel: Int, channels: Int, into matrices: Floats, pitch: Int,
    distance: Int
  ) {
    for tile in 0..<tiles {
      let (window, out) = (pixels + Tiles.size.elements * tile, matrices + tile * pitch)
      var column = 0
      while column < channels {
        let (at, count) = (channel + column, min(Vector.scalarCount, channels - column))
        Tiles.storeWindow(into: out + column, distance) { window[$0].vector(at: at, count: count) }
        column += Vector.scalarCount
      }
    }
  }

  /// Aᵀ m A of sums; see `WinogradKernels`.
  public static func transformSums(
    _ tile: WinogradTile, _ matrices: ConstantFloats, pitch: Int, distance: Int, tiles: Int, channels: Int,
    into pixels: UnsafePointer<Floats>, bias: ConstantFloats?, _ write: Write
  ) {
    switch tile {
    case .two:
      transformSums(
        TilesOfTwo.self, matrices, pitch: pitch, distance: distance, tiles: tiles, channels: channels, into: pixels,
        bias: bias, write)
    case .four:
      transformSums(
        TilesOfFour.self, matrices, pitch: pitch, distance: distance, tiles: tiles, channels: channels, into: pixels,
        bias: bias, write)
    }
  }

  @inline(__always)
  private static func transformSums<Tiles: WinogradTransforms>(
    _: Tiles.Type, _ matrices: ConstantFloats, pitch: Int, distance: Int, tiles: Int, channels: Int,
    into pixels: UnsafePointer<Floats>, bias: ConstantFloats?, _ write: Write
  ) {
    for tile in 0..<tiles {
      let (sums, out) = (matrices + tile * pitch, pixels + Tiles.size.side * Tiles.size.side * tile)
      var column = 0
      while column < channels {
        let count = min(Vector.scalarCount, channels - column)
        let bias = bias?.vector(at: column, count: count) ?? .zero
        Tiles.passTile(of: sums + column, distance) { pixel, value in
          store(value + bias, out[pixel], column, count, write)
        }
        column += Vector.scalarCount
      }
    }
  }

  @inline(__always)
  static func store(_ value: Vector, _ pixel: Floats, _ channel: Int, _ count: Int, _ write: Write) {
    let earlier = write == .accumulate ? ConstantFloats(pixel).vector(at: channel, count: count) : .zero
    pixel.store(value + earlier, at: channel, count: count)
  }

  /// A ∂Y Aᵀ of tiles; see `WinogradKernels`.
  public static func transformGradients(
    _ pixels: RowPointers, tiles: Int, channel: Int, channels: Int, into panels: Floats, distance: Int
  ) {
    for tile in 0..<tiles {
      let pixels = pixels + 4 * tile
      var column = 0
      while column < channels {
        // A panel holds `tileColumns` channels of all tiles; the second vector of the last may be beyond all channels.
        let panel = panels + column * tiles + tile * tileColumns
        storeTile(pixels, channel + column, min(Vector.scalarCount, channels - column), into: panel, distance)
        let rest = min(Vector.scalarCount, max(channels - column - Vector.scalarCount, 0))
        storeTile(pixels, channel + column + Vector.scalarCount, rest, into: panel + Vector.scalarCount, distance)
        column += tileColumns
      }
    }
  }

  @inline(__always)
  private static func storeTile(
    _ pixels: RowPointers, _ channel: Int, _ count: Int, into out: Floats, _ distance: Int
  ) {
    // The columns of the tile first: A ∂Y.
    let left = Winograd.gradients(
      pixels[0].vector(at: channel, count: count), pixels[2].vector(at: channel, count: count))
    let right = Winograd.gradients(
      pixels[1].vector(at: channel, count: count), pixels[3].vector(at: channel, count: count))
    TilesOfTwo.storeRow(Winograd.gradients(left.first, right.first), 0, out, distance)
    TilesOfTwo.storeRow(Winograd.gradients(left.second, right.second), 1, out, distance)
    TilesOfTwo.storeRow(Winograd.gradients(left.third, right.third), 2, out, distance)
    TilesOfTwo.storeRow(Winograd.gradients(left.fourth, right.fourth), 3, out, distance)
  }
}
