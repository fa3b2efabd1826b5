import Tensor

extension Image {
  /// The picture in another size, bit for bit as PIL's `Image.resize` makes it.
  ///
  /// The width and the height are resized one after the other, with 8-bit pixels between the two, so the order shows
  /// in the result. It is that of PIL from version 13 on: the width first, unless the height loses more than twice as
  /// many pixels.
  public func resized(width newWidth: Int, height newHeight: Int, filter: ResamplingFilter) -> Image {
    require(newWidth > 0 && newHeight > 0, "Image.resized: \(newWidth)x\(newHeight) has no pixels")
    if filter == .nearest { return resizedToNearest(newWidth, newHeight) }
    let heightFirst = newHeight < height && height - newHeight > 2 * (width - newWidth)
    return heightFirst
      ? resizedDown(to: newHeight, filter).resizedAcross(to: newWidth, filter)
      : resizedAcross(to: newWidth, filter).resizedDown(to: newHeight, filter)
  }

  /// The size to which torchvision's `Resize(shortSide)` brings this picture; the long side is cut to a whole number.
  public func size(shortSide: Int) -> (width: Int, height: Int) {
    width <= height ? (shortSide, shortSide * height / width) : (shortSide * width / height, shortSide)
  }

  /// The picture with its shorter side `shortSide` pixels long, as torchvision's `Resize` makes it from PIL images.
  public func resized(shortSide: Int, filter: ResamplingFilter = .bilinear) -> Image {
    let size = size(shortSide: shortSide)
    return resized(width: size.width, height: size.height, filter: filter)
  }

  private func resizedAcross(to newWidth: Int, _ filter: ResamplingFilter) -> Image {
    if newWidth == width { return self }
    let table = ResamplingWeights(filter: filter, inputSize: width, outputSize: newWidth)
    var result = [UInt8](repeating: 0, count: newWidth * height * 3)
    result.withUnsafeMutableBufferPointer { result in
      pixels.withUnsafeBufferPointer { pixels in
        for y in 0..<height {
          table.mix(
            row: UnsafeBufferPointer(rebasing: pixels[y * width * 3..<(y + 1) * width * 3]),
            into: UnsafeMutableBufferPointer(rebasing: result[y * newWidth * 3..<(y + 1) * newWidth * 3]))
        }
      }
    }
    return Image(width: newWidth, height: height, pixels: result)
  }

  private func resizedDown(to newHeight: Int, _ filter: ResamplingFilter) -> Image {
    if newHeight == height { return self }
    let table = ResamplingWeights(filter: filter, inputSize: height, outputSize: newHeight)
    let rowBytes = width * 3
    var result = [UInt8](repeating: 0, count: rowBytes * newHeight)
    var sums = [Int32](repeating: 0, count: rowBytes)
    result.withUnsafeMutableBufferPointer { result in
      pixels.withUnsafeBufferPointer { pixels in
        sums.withUnsafeMutableBufferPointer { sums in
          for y in 0..<newHeight {
            table.mixRows(
              of: pixels, output: y, sums: sums,
              into: UnsafeMutableBufferPointer(rebasing: result[y * rowBytes..<(y + 1) * rowBytes]))
          }
        }
      }
    }
    return Image(width: width, height: newHeight, pixels: result)
  }

  /// Every pixel becomes the one that its middle falls on. The steps are added up, since PIL does so.
  private func resizedToNearest(_ newWidth: Int, _ newHeight: Int) -> Image {
    func sources(_ size: Int, _ newSize: Int) -> [Int] {
      let step = Double(size) / Double(newSize)
      var position = step * 0.5
      return (0..<newSize).map { _ in
        defer { position += step }
        return min(Int(position), size - 1)
      }
    }
    let columns = sources(width, newWidth)
    var result: [UInt8] = []
    result.reserveCapacity(newWidth * newHeight * 3)
    for y in sources(height, newHeight) {
      for x in columns {
        let start = (y * width + x) * 3
        result += pixels[start..<start + 3]
      }
    }
    return Image(width: newWidth, height: newHeight, pixels: result)
  }
}

extension ResamplingWeights {
  /// Resizes one row of RGB pixels.
  func mix(row: UnsafeBufferPointer<UInt8>, into result: UnsafeMutableBufferPointer<UInt8>) {
    weights.withUnsafeBufferPointer { weights in
      for output in starts.indices {
        var (red, green, blue) = (Self.half, Self.half, Self.half)
        var source = starts[output] * 3
        for tap in output * stride..<output * stride + counts[output] {
          red &+= weights[tap] &* Int32(row[source])
          green &+= weights[tap] &* Int32(row[source + 1])
          blue &+= weights[tap] &* Int32(row[source + 2])
          source += 3
        }
        result[output * 3] = Self.byte(red)
        result[output * 3 + 1] = Self.byte(green)
        result[output * 3 + 2] = Self.byte(blue)
      }
    }
  }

  /// Makes row `output` of the result from whole rows of `pixels`; `sums` is scratch of a row's length.
  func mixRows(
    of pixels: UnsafeBufferPointer<UInt8>, output: Int, sums: UnsafeMutableBufferPointer<Int32>,
    into result: UnsafeMutableBufferPointer<UInt8>
  ) {
    sums.update(repeating: Self.half)
    for tap in 0..<counts[output] {
      let weight = weights[output * stride + tap]
      let row = UnsafeBufferPointer(
        rebasing: pixels[(starts[output] + tap) * sums.count..<(starts[output] + tap + 1) * sums.count])
      for position in sums.indices { sums[position] &+= weight &* Int32(row[position]) }
    }
    for position in sums.indices { result[position] = Self.byte(sums[position]) }
  }

  private static func byte(_ sum: Int32) -> UInt8 {
    UInt8(clamping: sum >> fractionBits)
  }
}
