import Autograd
import TestSupport
import Testing

@Suite struct MemoryTests {
  /// A hundred training steps leave as many bytes in use as one, and everything returns in the end.
  @Test(arguments: [false, true])
  func stepsLeakNothing(checkpointed: Bool) throws {
    let backend = CPUBackend(threads: 1)
    do {
      let (blocks, parameters) = try SmallBlock.pair(on: backend)
      let optimizer = AdamW([parameters], maximumGradientNorm: 1)
      let input = SmallBlock.input(on: backend)
      var live: Set<Int> = []
      for _ in 0..<100 {
        var h = Variable(input)
        for block in blocks { h = checkpointed ? checkpoint([h]) { block($0[0]) } : block(h) }
        h.meanSquaredError(input).sum().backward()
        optimizer.step(learningRate: 1e-3)
        withExtendedLifetime(h) { _ = live.insert(backend.memory.live) }
      }
      withExtendedLifetime((parameters, optimizer, input)) { #expect(live.count == 1) }
    }
    #expect(backend.memory.live == 0)
  }

  @Test func graphsThatAreNeverWalkedLeakNothing() throws {
    let backend = CPUBackend(threads: 1)
    do {
      let (blocks, _) = try SmallBlock.pair(on: backend)
      let x = Variable(leaf: SmallBlock.input(on: backend))
      #expect(blocks[1](blocks[0](x)).isDifferentiable)
    }
    #expect(backend.memory.live == 0)
  }

  /// The backward pass needs little beyond what the forward pass has kept, because it frees as it goes.
  @Test func activationsReturnDuringTheBackwardPass() {
    let backend = CPUBackend(threads: 1)
    let mebibyte = 1 << 20
    let x = Variable(leaf: Tensor(repeating: 0.5, [1 << 18], on: backend))
    let out = (0..<20).reduce(x) { h, _ in h.silu() }.sum()
    let kept = backend.memory.live
    out.backward()
    #expect(kept >= 20 * mebibyte)
    #expect(backend.memory.peak <= kept + 4 * mebibyte)
    withExtendedLifetime((x, out)) { #expect(backend.memory.live <= 3 * mebibyte) }
  }
}
