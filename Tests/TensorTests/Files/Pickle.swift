/// Pieces of pickles, written instruction by instruction.
enum Pickle {
  /// A whole pickle of one value.
  static func whole(_ value: [UInt8]) -> [UInt8] { [0x80, 2] + value + [UInt8(ascii: ".")] }

  static func text(_ string: String) -> [UInt8] {
    [UInt8(ascii: "X")] + bytes(Int32(string.utf8.count)) + Array(string.utf8)
  }

  static func integer(_ integer: Int) -> [UInt8] { [0x8a, 8] + bytes(Int64(integer)) }

  static func tuple(_ values: [[UInt8]]) -> [UInt8] { Array("(".utf8) + values.joined() + Array("t".utf8) }

  static func list(_ values: [[UInt8]]) -> [UInt8] { Array("](".utf8) + values.joined() + Array("e".utf8) }

  static func dictionary(_ pairs: [(String, [UInt8])]) -> [UInt8] {
    Array("}(".utf8) + pairs.flatMap { text($0) + $1 } + Array("u".utf8)
  }

  static func global(_ module: String, _ name: String) -> [UInt8] { Array("c\(module)\n\(name)\n".utf8) }

  static func call(_ function: [UInt8], _ arguments: [[UInt8]]) -> [UInt8] {
    function + tuple(arguments) + Array("R".utf8)
  }

  /// A storage outside the pickle, whose key is `0`.
  ///
  /// - Parameter part: the key, the first number and the length of the part of it that is meant, as in old files.
  static func storage(
    _ type: String = "FloatStorage", of module: String = "torch", count: Int = 2, part: [[UInt8]]? = nil
  ) -> [UInt8] {
    let whole = [text("storage"), global(module, type), text("0"), text("cpu"), integer(count)]
    return tuple(whole + (part.map { [tuple($0)] } ?? [])) + Array("Q".utf8)
  }

  /// A tensor of numbers of that storage.
  static func tensor(
    storage: [UInt8] = storage(), offset: Int = 0, shape: [Int], strides: [Int], function: String = "_rebuild_tensor_v2"
  ) -> [UInt8] {
    call(
      global("torch._utils", function),
      [
        storage, integer(offset), tuple(shape.map(integer)), tuple(strides.map(integer)), [0x89],
        call(global("collections", "OrderedDict"), []),
      ])
  }

  private static func bytes(_ integer: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: integer.littleEndian) { Array($0) }
  }
}
