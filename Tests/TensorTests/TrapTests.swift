import Foundation
import Tensor
import Testing

/// Mistakes of the caller stop the program with a message that names the operation and both shapes.
@Suite struct TrapTests {
  private static func expect(_ result: ExitTest.Result?, says parts: String...) {
    let message = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    for part in parts { #expect(message.contains(part), "the message is: \(message)") }
  }

  private static func zeros(_ shape: Shape) -> Tensor { Tensor(empty: shape, on: NullBackend()) }

  @Test func broadcasting() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let backend = NullBackend()
      _ = Tensor(empty: [2, 3], on: backend) + Tensor(empty: [4], on: backend)
    }
    Self.expect(result, says: "add", "[2, 3]", "[4]")
  }

  @Test func linear() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let backend = NullBackend()
      _ = Tensor(empty: [2, 3], on: backend).linear(Tensor(empty: [5, 4], on: backend), bias: nil)
    }
    Self.expect(result, says: "linear", "[2, 3]", "[5, 4]")
  }

  @Test func convolution() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let backend = NullBackend()
      let weight = Tensor(empty: [3, 3, 7, 8], on: backend)
      _ = Tensor(empty: [1, 9, 9, 4], on: backend).convolution(weight, bias: nil, Convolution2D())
    }
    Self.expect(result, says: "convolution", "[1, 9, 9, 4]", "[3, 3, 7, 8]")
  }

  @Test func attention() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let backend = NullBackend()
      let keys = Tensor(empty: [2, 7, 4, 8], on: backend)
      _ = Tensor(empty: [2, 5, 3, 8], on: backend).attention(keys: keys, values: keys, Attention(scale: 1))
    }
    Self.expect(result, says: "attention", "[2, 5, 3, 8]", "[2, 7, 4, 8]")
  }

  @Test func concatenation() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let backend = NullBackend()
      _ = Tensor.concatenated([Tensor(empty: [2, 3], on: backend), Tensor(empty: [3, 3], on: backend)], axis: 1)
    }
    Self.expect(result, says: "concatenated", "[2, 3]", "[3, 3]")
  }

  @Test func elementTypes() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let backend = NullBackend()
      _ = Tensor(empty: [2], on: backend) * Tensor(empty: [2], dtype: .float16, on: backend)
    }
    Self.expect(result, says: "multiply", "float32", "float16")
  }

  @Test func devices() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = Tensor(empty: [2], on: NullBackend()) + Tensor(empty: [2], on: CPUBackend(threads: 1))
    }
    Self.expect(result, says: "add", "null", "cpu")
  }

  @Test func reshaping() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = Tensor(empty: [2, 3], on: NullBackend()).reshaped([7])
    }
    Self.expect(result, says: "reshaped", "[2, 3]", "[7]")
  }
}
