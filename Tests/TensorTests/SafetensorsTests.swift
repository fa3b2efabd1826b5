import Foundation
import TestSupport
import Testing

@testable import Tensor

/// Files are made byte by byte here, so that reader and writer are not merely consistent with each other.
@Suite struct SafetensorsTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  @discardableResult private func file(header: String, data: [UInt8] = [], claimedLength: UInt64? = nil) throws -> URL {
    let url = folder.url.appending(path: "test.safetensors")
    let length = withUnsafeBytes(of: (claimedLength ?? UInt64(header.utf8.count)).littleEndian) { Array($0) }
    try Data(length + Array(header.utf8) + data).write(to: url)
    return url
  }

  @Test func readsEveryRealType() throws {
    let url = try file(
      header: """
        {"__metadata__":{"format":"pt"},"d":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},\
        "f":{"dtype":"F32","shape":[1,2],"data_offsets":[8,16]},"h":{"dtype":"F16","shape":[2],"data_offsets":[16,20]},\
        "b":{"dtype":"BF16","shape":[],"data_offsets":[20,22]}}
        """,
      data: [0, 0, 0, 0, 0, 0, 0xf8, 0x3f] + [0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0] + [0, 0x3c, 1, 0] + [0x80, 0x40])
    let file = try SafetensorsFile(url)
    #expect(file.metadata == ["format": "pt"])
    #expect(file.names == ["d", "f", "h", "b"])
    #expect(try file.floats("d") == [1.5])
    #expect(try file.floats("f") == [1, -2])
    #expect(try file.floats("h") == [1, 0x1p-24])
    #expect(try file.floats("b") == [4])
    #expect(try file.entry("f").shape == [1, 2])
  }

  @Test func readsHalfPrecisionAsSwiftDoes() {
    for bits in UInt16.min...UInt16.max {
      let expected = Float(Float16(bitPattern: bits))
      let found = Float(halfBits: bits)
      #expect(found == expected || (found.isNaN && expected.isNaN))
    }
  }

  @Test func narrowsIntegersThatFit() throws {
    let url = try file(
      header: """
        {"t":{"dtype":"I64","shape":[2],"data_offsets":[0,16]},"u":{"dtype":"I64","shape":[1],"data_offsets":[16,24]}}
        """,
      data: [7, 0, 0, 0, 0, 0, 0, 0] + [UInt8](repeating: 0xff, count: 8) + [0, 0, 0, 0, 1, 0, 0, 0])
    let file = try SafetensorsFile(url)
    #expect(try file.int32s("t") == [7, -1])
    #expect(throws: TensorFileError.self) { try file.int32s("u") }
    #expect(throws: TensorFileError.self) { try file.floats("t") }
    #expect(throws: TensorFileError.self) { try file.floats("absent") }
  }

  static let damagedHeaders: [(String, Int)] = [
    ("[]", 0),
    ("{", 0),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, 3),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, 5),
    (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#, 4),
    (#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#, 4),
    (#"{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}"#, 4),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#, 4),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}}"#, 4),
    (#"{"a":{"dtype":"F33","shape":[1],"data_offsets":[0,4]}}"#, 4),
    (#"{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}"#, 0),
    (#"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}"#, 3),
    (#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}}"#, 3),
    (#"{"__metadata__":{"n":1},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#, 1),
    (String(repeating: #"{"a":"#, count: 100_000), 0),
    (#"{"__metadata__":{},"__metadata__":{"a":"b"}}"#, 0),
    (#"{"__metadata__":{"a":"b","a":"c"}}"#, 0),
    (#"{"__metadata__":{"a":"b"}"#, 0),
    (#"{"__metadata__":{"a":"\ud83d"}}"#, 0),
    (#"{"__metadata__":{"a":"\ud83dx"}}"#, 0),
    (#"{"__metadata__":{"a":"\ud83d\u0041"}}"#, 0),
    (#"{"__metadata__":{"a":"\udE00"}}"#, 0),
    (#"{"__metadata__":{"a":"\x"}}"#, 0),
    (#"{"__metadata__":{"a":"\u00g0"}}"#, 0),
    ("{\"__metadata__\":{\"a\":\"\n\"}}", 0),
    (#"{"__metadata__":{"a":"b\""#, 0),
    (#"{} {}"#, 0),
    (#" {}"#, 0),
    (#"{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#, 0),
    (#"{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},}"#, 0),
    (#"{"a":{"dtype":"U8","shape":[0,],"data_offsets":[0,0]}}"#, 0),
    (#"{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0,0]}}"#, 0),
    (#"{"a":{"dtype":"U8","shape":[0]}}"#, 0),
    (#"{"a":{"dtype":"U8","shape":[9223372036854775808],"data_offsets":[0,0]}}"#, 0),
    (#"{"a":{"dtype":"U8","shape":[99999999999999999999],"data_offsets":[0,0]}}"#, 0),
    (#"{"a":{"dtype":"U8","shape":[\#(String(repeating: "1,", count: 64))0],"data_offsets":[0,0]}}"#, 0),
  ]

  @Test(arguments: damagedHeaders.indices)
  func refusesDamagedHeaders(_ index: Int) throws {
    let (header, byteCount) = Self.damagedHeaders[index]
    let url = try file(header: header, data: [UInt8](repeating: 0, count: byteCount))
    let error = #expect(throws: SafetensorsError.self) { try SafetensorsFile(url) }
    #expect(error?.description.contains("test.safetensors") == true)
  }

  @Test(arguments: [1, 9, 1 << 40, UInt64.max])
  func refusesLyingLengths(_ length: UInt64) throws {
    let url = try file(header: "{}", claimedLength: length)
    #expect(throws: SafetensorsError.self) { try SafetensorsFile(url) }
  }

  @Test func readsHeadersUpToTheFormatsLimit() throws {
    let note = String(repeating: "x", count: 9 << 20)
    let url = try file(header: #"{"__metadata__":{"note":""# + note + #""}}"#)
    #expect(try SafetensorsFile(url).metadata == ["note": note])
    let limit = SafetensorsHeader.byteLimit
    #expect(limit == 100_000_000)
    try file(header: "{}" + String(repeating: " ", count: limit - 2))
    #expect(try SafetensorsFile(url).entries.isEmpty)
    try file(header: "{}" + String(repeating: " ", count: limit - 1))
    let error = #expect(throws: SafetensorsError.self) { try SafetensorsFile(url) }
    #expect(error?.problem == .headerTooLarge(byteCount: limit + 1))
  }

  @Test func refusesMoreTensorsThanAnyModelHas() throws {
    func header(_ count: Int) -> String {
      "{" + (0..<count).map { #""\#($0)":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}"# }.joined(separator: ",")
        + "}"
    }
    let url = try file(header: header(SafetensorsHeader.tensorLimit))
    #expect(try SafetensorsFile(url).entries.count == SafetensorsHeader.tensorLimit)
    try file(header: header(SafetensorsHeader.tensorLimit + 1))
    let error = #expect(throws: SafetensorsError.self) { try SafetensorsFile(url) }
    #expect(error?.description.contains("more than 262144 tensors") == true)
  }

  @Test func refusesMoreMetadataThanAnyProgramWrites() throws {
    func header(_ count: Int) -> String {
      #"{"__metadata__":{"# + (0..<count).map { #""\#($0)":"""# }.joined(separator: ",") + "}}"
    }
    let url = try file(header: header(SafetensorsHeader.metadataLimit))
    #expect(try SafetensorsFile(url).metadata.count == SafetensorsHeader.metadataLimit)
    try file(header: header(SafetensorsHeader.metadataLimit + 1))
    let error = #expect(throws: SafetensorsError.self) { try SafetensorsFile(url) }
    #expect(error?.description.contains("more than 65536 entries of metadata") == true)
  }

  @Test func understandsWhatJSONAllows() throws {
    let url = try file(
      header: """
        {\n"__metadata__" : { } , "a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD83d\\uDE00ü" :\t{"data_offsets":[ 0 , 2 ],\
        "shape": [1,2] ,"dtype":"\\u00558"}}\u{20}
        """, data: [7, 8])
    let file = try SafetensorsFile(url)
    #expect(file.names == ["a\"\\/\u{8}\u{c}\n\r\té😀ü"])
    #expect(try file.bytes(file.names[0]) == [7, 8])
    #expect(try file.entry(file.names[0]).shape == [1, 2])
  }

  @Test func refusesTruncation() throws {
    let url = try file(header: #"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#, data: [UInt8](1...16))
    let whole = try Data(contentsOf: url)
    #expect(throws: Never.self) { try SafetensorsFile(url) }
    for length in 0..<whole.count {
      try whole.prefix(length).write(to: url)
      #expect(throws: SafetensorsError.self) { try SafetensorsFile(url) }
    }
  }

  @Test func saysWhyAFileCannotBeOpened() throws {
    let missing = #expect(throws: FileError.self) {
      try SafetensorsFile(folder.url.appending(path: "missing.safetensors"))
    }
    #expect(missing?.code == ENOENT)
    #expect(throws: FileError.self) { try SafetensorsFile(folder.url) }
  }
}
