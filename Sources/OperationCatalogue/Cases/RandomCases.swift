import Tensor

extension OperationCatalogue {
  /// Uniform numbers of one draw of a stream.
  public static func uniform(_ shape: Shape, _ stream: RandomStream, draw: Int32) -> OperationCase {
    OperationCase(
      .uniform, describe(shape, stream, draw),
      operands: [Operand([], .int32, .list([Double(draw)]))], outputs: [Output(shape, .float32, .overwrite)],
      elements: shape.count,
      run: { backend, operands, outputs in
        backend.uniform(stream, draw: operands[0], into: outputs[0].tensor)
      },
      reference: { _ in [Values(shape, Reference.uniforms(shape.count, stream, draw: draw))] })
  }

  /// Normal numbers of one draw of a stream.
  public static func normal(_ shape: Shape, _ stream: RandomStream, draw: Int32) -> OperationCase {
    OperationCase(
      .normal, describe(shape, stream, draw),
      operands: [Operand([], .int32, .list([Double(draw)]))], outputs: [Output(shape, .float32, .overwrite)],
      elements: shape.count,
      run: { backend, operands, outputs in
        backend.normal(stream, draw: operands[0], into: outputs[0].tensor)
      },
      reference: { _ in [Values(shape, Reference.normals(shape.count, stream, draw: draw))] })
  }

  static var randomNumbers: [OperationCase] {
    let streams: [(Shape, RandomStream, Int32)] = [
      ([1], RandomStream(seed: 0, stream: 0), 0), ([5, 7], RandomStream(seed: 42, stream: 1), 3),
      ([64], RandomStream(seed: 0xFFFF_FFFF_FFFF_FFFF, stream: 0xFFFF_FFFF), 0x7FFF_FFFF),
      ([70_001], RandomStream(seed: 0x1234_5678_9ABC_DEF0, stream: 0x6E6F_6973), 1000),
      ([3], RandomStream(seed: 1 << 32, stream: 2), 0), ([0], RandomStream(seed: 5, stream: 2), 1),
    ]
    return streams.flatMap { [uniform($0, $1, draw: $2), normal($0, $1, draw: $2)] }
  }

  private static func describe(_ shape: Shape, _ stream: RandomStream, _ draw: Int32) -> String {
    "\(shape) seed \(stream.seed) stream \(stream.stream) draw \(draw)"
  }
}
