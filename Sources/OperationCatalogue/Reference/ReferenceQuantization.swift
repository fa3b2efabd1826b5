import Tensor

extension Reference {
  /// The numbers that codes and scales stand for.
  static func dequantized(_ codes: Values, _ scales: Values, _ map: QuantizationMap) -> Values {
    Values(
      codes.shape,
      codes.elements.enumerated().map { index, code in
        Bounded(Double(map.values[Int(code.value)])) * scales[index / QuantizedBlock.size]
      })
  }

  /// The codes and the scales of numbers.
  ///
  /// Where a number, within what is uncertain about it, lies on both sides of the middle between two codes, either code
  /// is right: half a step of tolerance around that middle, in units of codes. Everywhere else there is one answer.
  static func quantized(_ numbers: Values, _ map: QuantizationMap) -> [Values] {
    var codes: [Bounded] = []
    var scales: [Bounded] = []
    for start in stride(from: 0, to: numbers.count, by: QuantizedBlock.size) {
      let block = numbers.elements[start..<min(start + QuantizedBlock.size, numbers.count)]
      let scale = Bounded(
        block.map { abs($0.value) }.max() ?? 0, error: block.map(\.error).max() ?? 0)
      scales.append(scale)
      for number in block {
        let ratio = scale.value == 0 ? 0.0 : number * (1.0 / scale)
        let low = nearest(ratio.value - ratio.error, map)
        let high = nearest(ratio.value + ratio.error, map)
        codes.append(Bounded(Double(low + high) / 2, error: Double(high - low) / 2))
      }
    }
    return [Values(numbers.shape, codes), Values([scales.count], scales)]
  }

  /// The code of the nearest number, by trying them all.
  private static func nearest(_ number: Double, _ map: QuantizationMap) -> Int {
    map.values.indices.min { abs(Double(map.values[$0]) - number) < abs(Double(map.values[$1]) - number) } ?? 0
  }
}
