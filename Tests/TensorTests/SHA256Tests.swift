import Foundation
import TestSupport
import Testing

@testable import Tensor

/// The examples of FIPS 180-4 and of NIST's test vectors.
@Suite struct SHA256Tests {
  private func digest(_ text: String) -> String {
    var digest = SHA256()
    Array(text.utf8).withUnsafeBytes { digest.update($0) }
    return digest.hexadecimal()
  }

  @Test func examplesOfTheStandard() {
    #expect(digest("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    #expect(digest("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    #expect(
      digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")
        == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")
    #expect(
      digest(String(repeating: "a", count: 1_000_000))
        == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
  }

  /// Every place in a block that the bytes of a call can end at.
  @Test func piecesGiveTheDigestOfTheWhole() {
    let bytes = (0..<300).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    let whole = digest(String(decoding: bytes.map { $0 & 0x7f }, as: UTF8.self))
    for first in 0...200 {
      var digest = SHA256()
      for part in [bytes[..<first], bytes[first..<first + 37], bytes[(first + 37)...]] {
        part.map { $0 & 0x7f }.withUnsafeBytes { digest.update($0) }
      }
      #expect(digest.hexadecimal() == whole, "\(first)")
    }
  }

  @Test func partsOfFilesAreDigested() throws {
    let home = try TemporaryFolder()
    let file = home.url.appending(path: "letters")
    try Data("xxabcyy".utf8).write(to: file)
    #expect(try SHA256.hexadecimal(file) == digest("xxabcyy"))
    #expect(try SHA256.hexadecimal(file, 2..<5) == digest("abc"))
    // Beyond the end there is nothing to be read.
    #expect(try SHA256.hexadecimal(file, 4..<100) == digest("cyy"))
    #expect(try SHA256.hexadecimal(file, 100..<200) == digest(""))
    #expect(throws: FileError.self) { try SHA256.hexadecimal(home.url.appending(path: "nothing")) }
  }
}
