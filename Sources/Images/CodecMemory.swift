/// An array of at most `byteCount` bytes that `read` fills; `read` returns how many of them it keeps.
func readPixels(
  byteCount: Int, _ read: (UnsafeMutableBufferPointer<UInt8>) throws(ImageError) -> Int
) throws(ImageError) -> [UInt8] {
  var failure: ImageError?
  let pixels = [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, count in
    do throws(ImageError) {
      count = try read(UnsafeMutableBufferPointer(rebasing: buffer[..<byteCount]))
    } catch {
      failure = error
    }
  }
  if let failure { throw failure }
  return pixels
}

/// The text in a C array of characters, up to its terminator.
func string(_ characters: UnsafeRawBufferPointer) -> String {
  String(decoding: characters.prefix { $0 != 0 }, as: UTF8.self)
}
