import CPUKernels

/// A batch of pictures in square tiles, which may leave a picture at the right and at the bottom. The window of a tile has
/// one pixel more on each side.
struct WinogradTiles {
  /// The size of a tile.
  let size: WinogradTile
  private let height: Int
  private let width: Int
  private let rows: Int
  private let columns: Int
  /// The number of tiles of all pictures.
  let count: Int

  /// Pictures [batch, height, width, channels].
  init(_ pictures: Shape, _ size: WinogradTile) {
    self.size = size
    (height, width) = (pictures[1], pictures[2])
    (rows, columns) = ((height + size.side - 1) / size.side, (width + size.side - 1) / size.side)
    count = pictures[0] * rows * columns
  }

  /// Lends the addresses of the pixels of some windows, [tiles, side, side], in pictures of rows of `channels` numbers.
  ///
  /// - Parameter outside: the row that stands for pixels outside the picture.
  func withWindows(
    of tiles: Range<Int>, in pictures: Floats, channels: Int, outside: Floats, _ body: (RowPointers) -> Void
  ) {
    withPixels(of: tiles, in: pictures, channels: channels, outside: outside, offset: -1, side: size.windowSide) {
      pixels in
      pixels.withMemoryRebound(to: ConstantFloats.self, capacity: size.elements * tiles.count) { body($0) }
    }
  }

  /// Lends the addresses of the pixels of some tiles, [tiles, side, side], in pictures of rows of `channels` numbers.
  ///
  /// - Parameter outside: the row that stands for pixels outside the picture.
  func withTiles(
    _ tiles: Range<Int>, in pictures: Floats, channels: Int, outside: Floats, _ body: (UnsafePointer<Floats>) -> Void
  ) {
    withPixels(of: tiles, in: pictures, channels: channels, outside: outside, offset: 0, side: size.side, body)
  }

  private func withPixels(
    of tiles: Range<Int>, in pictures: Floats, channels: Int, outside: Floats, offset: Int, side: Int,
    _ body: (UnsafePointer<Floats>) -> Void
  ) {
    withUnsafeTemporaryAllocation(of: Floats.self, capacity: tiles.count * side * side) { pixels in
      var index = 0
      for tile in tiles {
        let (row, column) = tile.quotientAndRemainder(dividingBy: columns)
        let (picture, rowInPicture) = row.quotientAndRemainder(dividingBy: rows)
        let (top, left) = (size.side * rowInPicture + offset, size.side * column + offset)
        for y in top..<top + side {
          for x in left..<left + side {
            let isInside = y >= 0 && y < height && x >= 0 && x < width
            pixels[index] = isInside ? pictures + ((picture * height + y) * width + x) * channels : outside
            index += 1
          }
        }
      }
      if let pixels = pixels.baseAddress { body(pixels) }
    }
  }
}
