import CPUKernels

/// A batch of pictures in tiles of 2 x 2 pixels, which may leave a picture at the right and at the bottom. The window of
/// a tile has one pixel more on each side.
struct WinogradTiles {
  private let height: Int
  private let width: Int
  private let rows: Int
  private let columns: Int
  /// The number of tiles of all pictures.
  let count: Int

  /// Pictures [batch, height, width, channels].
  init(_ pictures: Shape) {
    (height, width) = (pictures[1], pictures[2])
    (rows, columns) = ((height + 1) / 2, (width + 1) / 2)
    count = pictures[0] * rows * columns
  }

  /// Lends the addresses of the pixels of some windows, [tiles, 4, 4], in pictures of rows of `channels` numbers.
  ///
  /// - Parameter outside: the row that stands for pixels outside the picture.
  func withWindows(
    of tiles: Range<Int>, in pictures: Floats, channels: Int, outside: Floats, _ body: (RowPointers) -> Void
  ) {
    withPixels(of: tiles, in: pictures, channels: channels, outside: outside, offset: -1, side: 4) { pixels in
      pixels.withMemoryRebound(to: ConstantFloats.self, capacity: 16 * tiles.count) { body($0) }
    }
  }

  /// Lends the addresses of the pixels of some tiles, [tiles, 2, 2], in pictures of rows of `channels` numbers.
  ///
  /// - Parameter outside: the row that stands for pixels outside the picture.
  func withTiles(
    _ tiles: Range<Int>, in pictures: Floats, channels: Int, outside: Floats, _ body: (UnsafePointer<Floats>) -> Void
  ) {
    withPixels(of: tiles, in: pictures, channels: channels, outside: outside, offset: 0, side: 2, body)
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
        for y in (2 * rowInPicture + offset)..<(2 * rowInPicture + offset + side) {
          for x in (2 * column + offset)..<(2 * column + offset + side) {
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
