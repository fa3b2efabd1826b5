import Autograd
import TestSupport
import Testing

@Suite struct CheckpointTests {
  /// Outputs and gradients of two blocks, each run plainly or recomputed.
  private func run(
    checkpointed: Bool, isInputConstant: Bool = false, trainable: @escaping (String) -> Bool = { _ in true }
  ) throws -> [[UInt32]] {
    let backend = Device.cpu.backend
    let (blocks, parameters) = try SmallBlock.pair(on: backend, trainable: trainable)
    let input = SmallBlock.input(on: backend)
    let x = isInputConstant ? Variable(input) : Variable(leaf: input)
    var h = x
    for block in blocks {
      h = checkpointed ? checkpoint([h, x]) { block($0[0]) + $0[1] } : block(h) + x
    }
    h.backward(input)
    return [h.value.bits, parameters.gradients.bits, x.gradient?.bits ?? []]
  }

  @Test func gradientsAreEqualBitForBit() throws {
    let plain = try run(checkpointed: false)
    #expect(plain.allSatisfy { $0.contains { $0 != 0 } })
    #expect(try run(checkpointed: true) == plain)
  }

  @Test func constantInputsStayConstant() throws {
    let plain = try run(checkpointed: false, isInputConstant: true)
    #expect(plain[1].contains { $0 != 0 })
    #expect(try run(checkpointed: true, isInputConstant: true) == plain)
  }

  @Test func frozenParametersGetNoGradient() throws {
    let plain = try run(checkpointed: false, trainable: { $0.hasPrefix("1.") })
    #expect(plain[1].contains { $0 != 0 })
    #expect(try run(checkpointed: true, trainable: { $0.hasPrefix("1.") }) == plain)
  }

  @Test func checkpointsCanBeNested() throws {
    let backend = Device.cpu.backend
    let results = try [false, true].map { nested in
      let (blocks, parameters) = try SmallBlock.pair(on: backend)
      let x = Variable(leaf: SmallBlock.input(on: backend))
      let out = checkpoint([x]) { outer in
        let h = nested ? checkpoint([outer[0]]) { blocks[0]($0[0]) } : blocks[0](outer[0])
        return blocks[1](h)
      }
      out.sum().backward()
      return [parameters.gradients.bits, try #require(x.gradient).bits]
    }
    #expect(results[0] == results[1])
  }

  @Test func nothingIsRecordedWhereRecordingIsOff() throws {
    let x = Variable(leaf: SmallBlock.input(on: Device.cpu.backend))
    #expect(!withoutRecording { checkpoint([x]) { $0[0].silu() } }.isDifferentiable)
  }

  /// Sixteen activations of a mebibyte: plainly all are kept, in two checkpoints at most those of one.
  @Test func activationsAreNotKept() throws {
    func peak(checkpointed: Bool) throws -> Int {
      let backend = CPUBackend(threads: 1)
      let x = Variable(leaf: Tensor(repeating: 0.5, [1 << 18], on: backend))
      let half = { (h: [Variable]) in (0..<8).reduce(h[0]) { h, _ in h.silu() } }
      var h = x
      for _ in 0..<2 { h = checkpointed ? checkpoint([h], half) : half([h]) }
      h.sum().backward()
      #expect(x.gradient != nil)
      return backend.memory.peak >> 20
    }
    #expect(try peak(checkpointed: false) >= 17)
    #expect(try peak(checkpointed: true) <= 14)
  }
}
