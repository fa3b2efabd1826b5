public import CPUKernels

extension Kernels {
  /// Bᵀ d B of windows; see `WinogradKernels`.
  public static func transformWindows(
    _ pixels: RowPointers, tiles: Int, channel: Int, channels: Int, into matrices: Floats, pitch: Int, distance: Int
  ) {
    for tile in 0..<tiles {
      let (window, out) = (pixels + 16 * tile, matrices + tile * pitch)
      var column = 0
      while column < channels {
        let (at, count) = (channel + column, min(Vector.scalarCount, channels - column))
        storeWindow(into: out + column, distance) { window[$0].vector(at: at, count: count) }
        column += Vector.scalarCount
      }
    }
  }

  @inline(__always)
  private static func storeWindow(into out: Floats, _ distance: Int, _ pixel: (Int) -> Vector) {
    // The columns of the window first: Bᵀ d.
    let first = Winograd.window(Quadruple { pixel(4 * $0) })
    let second = Winograd.window(Quadruple { pixel(4 * $0 + 1) })
    let third = Winograd.window(Quadruple { pixel(4 * $0 + 2) })
    let fourth = Winograd.window(Quadruple { pixel(4 * $0 + 3) })
    storeRow(Winograd.window(Quadruple(first.first, second.first, third.first, fourth.first)), 0, out, distance)
    storeRow(Winograd.window(Quadruple(first.second, second.second, third.second, fourth.second)), 1, out, distance)
    storeRow(Winograd.window(Quadruple(first.third, second.third, third.third, fourth.third)), 2, out, distance)
    storeRow(Winograd.window(Quadruple(first.fourth, second.fourth, third.fourth, fourth.fourth)), 3, out, distance)
  }

  /// Stores a row of the 16 elements.
  @inline(__always)
  static func storeRow(_ row: Quadruple, _ index: Int, _ out: Floats, _ distance: Int) {
    let out = out + 4 * index * distance
    out.store(row.first)
    out.store(row.second, at: distance)
    out.store(row.third, at: 2 * distance)
    out.store(row.fourth, at: 3 * distance)
  }

  /// Aᵀ m A of sums; see `WinogradKernels`.
  public static func transformSums(
    _ matrices: ConstantFloats, pitch: Int, distance: Int, tiles: Int, channels: Int,
    into pixels: UnsafePointer<Floats>, bias: ConstantFloats?, _ write: Write
  ) {
    for tile in 0..<tiles {
      let (sums, out) = (matrices + tile * pitch, pixels + 4 * tile)
      var column = 0
      while column < channels {
        let count = min(Vector.scalarCount, channels - column)
        let bias = bias?.vector(at: column, count: count) ?? .zero
        // Sums of one row of the 16 elements are those of one column of Aᵀ m.
        let first = rowOutputs(sums + column, 0, distance)
        let second = rowOutputs(sums + column, 1, distance)
        let third = rowOutputs(sums + column, 2, distance)
        let fourth = rowOutputs(sums + column, 3, distance)
        let left = Winograd.outputs(Quadruple(first.0, second.0, third.0, fourth.0))
        let right = Winograd.outputs(Quadruple(first.1, second.1, third.1, fourth.1))
        store(left.0 + bias, out[0], column, count, write)
        store(right.0 + bias, out[1], column, count, write)
        store(left.1 + bias, out[2], column, count, write)
        store(right.1 + bias, out[3], column, count, write)
        column += Vector.scalarCount
      }
    }
  }

  @inline(__always)
  private static func rowOutputs(_ sums: ConstantFloats, _ row: Int, _ distance: Int) -> (Vector, Vector) {
    let sums = sums + 4 * row * distance
    return Winograd.outputs(Quadruple { sums.vector(at: $0 * distance) })
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
    storeRow(Winograd.gradients(left.first, right.first), 0, out, distance)
    storeRow(Winograd.gradients(left.second, right.second), 1, out, distance)
    storeRow(Winograd.gradients(left.third, right.third), 2, out, distance)
    storeRow(Winograd.gradients(left.fourth, right.fourth), 3, out, distance)
  }
}
