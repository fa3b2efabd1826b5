/// How the stored rows and columns lie in the upright picture: the EXIF tag 0x0112 (CIPA DC-008, section 4.6.5).
///
/// Each case names what makes the stored picture upright.
public enum Orientation: Int, Sendable, Hashable, CaseIterable {
  case upright = 1
  case flipHorizontally
  case rotateHalf
  case flipVertically
  case transpose
  case rotateClockwise
  case transverse
  case rotateCounterclockwise

  /// The orientation in a TIFF block as EXIF stores it; `upright` where there is none or it makes no sense.
  ///
  /// Metadata is often damaged in otherwise good pictures, so nothing here is an error.
  public init(exif block: some Collection<UInt8>) {
    self = TIFFDirectory(block)?.orientation ?? .upright
  }
}

/// The first directory of a TIFF block; every read is checked against the block's end.
private struct TIFFDirectory {
  private let bytes: [UInt8]
  private let littleEndian: Bool

  init?(_ block: some Collection<UInt8>) {
    bytes = Array(block)
    switch Array(bytes.prefix(4)) {
    case [0x49, 0x49, 0x2A, 0]: littleEndian = true
    case [0x4D, 0x4D, 0, 0x2A]: littleEndian = false
    default: return nil
    }
  }

  var orientation: Orientation? {
    let orientationTag = 0x0112
    let unsignedShort = 3
    guard let directory = number(at: 4, bytes: 4), let entries = number(at: directory, bytes: 2) else { return nil }
    for entry in 0..<entries {
      let start = directory + 2 + 12 * entry
      guard let tag = number(at: start, bytes: 2) else { return nil }
      guard tag == orientationTag else { continue }
      guard number(at: start + 2, bytes: 2) == unsignedShort, number(at: start + 4, bytes: 4) == 1 else { return nil }
      return number(at: start + 8, bytes: 2).flatMap(Orientation.init(rawValue:))
    }
    return nil
  }

  private func number(at offset: Int, bytes count: Int) -> Int? {
    guard offset + count <= bytes.count else { return nil }
    let digits = bytes[offset..<offset + count]
    return (littleEndian ? Array(digits.reversed()) : Array(digits)).reduce(0) { $0 << 8 | Int($1) }
  }
}

extension Image {
  /// The picture as it should be seen, when its file says that it is stored in `orientation`.
  public func upright(from orientation: Orientation) -> Image {
    let (last, bottom) = (width - 1, (height - 1) * width)
    switch orientation {
    case .upright: return self
    case .flipHorizontally: return rearranged(width, height, origin: last, right: -1, down: width)
    case .rotateHalf: return rearranged(width, height, origin: bottom + last, right: -1, down: -width)
    case .flipVertically: return rearranged(width, height, origin: bottom, right: 1, down: -width)
    case .transpose: return rearranged(height, width, origin: 0, right: width, down: 1)
    case .rotateClockwise: return rearranged(height, width, origin: bottom, right: -width, down: 1)
    case .transverse: return rearranged(height, width, origin: bottom + last, right: -width, down: -1)
    case .rotateCounterclockwise: return rearranged(height, width, origin: last, right: width, down: -1)
    }
  }

  /// The mirror image.
  public func flippedHorizontally() -> Image {
    upright(from: .flipHorizontally)
  }

  /// Pixel (x, y) of the result is pixel number `origin + x * right + y * down` of this picture.
  private func rearranged(_ newWidth: Int, _ newHeight: Int, origin: Int, right: Int, down: Int) -> Image {
    let rearranged = [UInt8](unsafeUninitializedCapacity: pixels.count) { result, count in
      pixels.withUnsafeBufferPointer { pixels in
        for y in 0..<newHeight {
          for x in 0..<newWidth {
            let from = (origin + x * right + y * down) * 3
            let to = (y * newWidth + x) * 3
            for channel in 0..<3 { result[to + channel] = pixels[from + channel] }
          }
        }
      }
      count = pixels.count
    }
    return Image(width: newWidth, height: newHeight, pixels: rearranged)
  }
}
