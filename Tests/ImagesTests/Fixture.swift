import Foundation
import Images
import Tensor
import TestSupport

extension Fixtures {
  /// A committed picture.
  static func picture(_ name: String) -> URL { folder.appending(path: "images/\(name)") }

  /// The bytes of a committed picture.
  static func bytes(_ name: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: picture(name))) }
}

extension SafetensorsFile {
  /// A golden of [height, width, 3] bytes.
  func image(_ name: String) throws -> Image {
    let shape = try entry(name).shape
    return Image(width: shape[1], height: shape[0], pixels: try withBytes(name) { Array($0) })
  }
}

/// The largest difference of two bytes in the same place, 255 when the sizes differ.
func largestDifference(_ a: Image, _ b: Image) -> Int {
  guard a.width == b.width && a.height == b.height else { return 255 }
  return zip(a.pixels, b.pixels).reduce(0) { max($0, abs(Int($1.0) - Int($1.1))) }
}
