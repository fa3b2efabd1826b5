import Autograd
import TestSupport
import Testing

@Suite struct GraphTests {
  private let backend = Device.cpu.backend

  private func leaf(_ numbers: [Float]) -> Variable { Variable(leaf: Tensor(numbers, [numbers.count], on: backend)) }

  private func gradient(_ variable: Variable) -> [Float]? { variable.gradient?.array() }

  // MARK: One variable in several places

  @Test func addingAVariableToItselfDoublesTheGradient() {
    let x = leaf([1, 2])
    (x + x).backward(Tensor([3 as Float, 5], [2], on: backend))
    #expect(gradient(x) == [6, 10])
  }

  @Test func aVariableCanBeUsedThrice() {
    let x = leaf([2, -3])
    (x * x * x).sum().backward()
    #expect(gradient(x) == [12, 27])
    let y = leaf([2, -3])
    (y + y + y).sum().backward()
    #expect(gradient(y) == [3, 3])
  }

  /// A sum hands one gradient to both operands; adding to one of them must not change the other, nor the seed. The
  /// sum is made last, so that its operands share the gradient before more arrives.
  @Test func sharedGradientsAreNotWrittenInPlace() {
    let (a, b) = (leaf([1, 2]), leaf([3, 4]))
    let seed = Tensor([1 as Float, 10], [2], on: backend)
    let (first, second) = (a * 3, a.reshaped([2, 1]))
    let sum = a + b
    (sum + first + second.reshaped([2])).backward(seed)
    #expect(gradient(a) == [5, 50])
    #expect(gradient(b) == [1, 10])
    #expect(seed.array(Float.self) == [1, 10])
  }

  @Test func residualJoinsAddUp() {
    let x = leaf([0.5, -1])
    var h = x
    for _ in 0..<4 { h = h + h * 2 }
    h.sum().backward()
    #expect(gradient(x) == [81, 81])
  }

  @Test func reshapedViewsShareOneGradient() {
    let x = leaf([1, 2, 3, 4])
    let matrix = x.reshaped([2, 2])
    let product = matrix * Variable(Tensor([1 as Float, 10, 100, 1000], [2, 2], on: backend))
    (product.reshaped([4]) + x + matrix.reshaped([4])).sum().backward()
    #expect(gradient(x) == [3, 12, 102, 1002])
  }

  /// Queries, keys and values may be one variable: its gradient is the sum of the three.
  @Test func oneVariableCanTakeEveryPlaceOfAnOperation() throws {
    let numbers = (0..<24).map { Float($0 % 7) * 0.3 - 1 }
    let value = Tensor(numbers, [1, 3, 2, 4], on: backend)
    let seed = Tensor(numbers.reversed(), [1, 3, 2, 4], on: backend)
    let parts = (0..<3).map { _ in Variable(leaf: value) }
    parts[0].attention(keys: parts[1], values: parts[2], Attention(scale: 0.5)).backward(seed)
    let shared = Variable(leaf: value)
    shared.attention(keys: shared, values: shared, Attention(scale: 0.5)).backward(seed)
    let gradients = try parts.map { try #require($0.gradient) }
    let sum = (gradients[0] + gradients[1] + gradients[2]).array(Float.self)
    // Three numbers are added, in another order.
    #expect(relativeError(try #require(gradient(shared)), sum) <= float32Tolerance(sumLength: 3))
  }

  // MARK: What is recorded

  @Test func constantsRecordNothing() {
    let constant = Variable(Tensor([1 as Float, 2], [2], on: backend))
    let x = leaf([3, 4])
    #expect(!(constant + constant).isDifferentiable)
    #expect(!(constant * constant).silu().sum().isDifferentiable)
    #expect((constant * x).isDifferentiable)
    #expect(!withoutRecording { x * x }.isDifferentiable)
    #expect(isRecording)
    (constant * x).sum().backward()
    #expect(gradient(x) == [1, 2])
    #expect(constant.gradient == nil)
  }

  /// The derivative by the input needs the weight alone, so a frozen weight keeps no activation alive.
  @Test func frozenWeightsKeepNoActivations() throws {
    let backend = CPUBackend(threads: 1)
    func heldBytes(trainable: Bool) throws -> Int {
      let (layer, parameters) = try ParameterStore.build(
        on: backend, trainable: { _ in trainable }, from: InitialParameters(seed: 1)
      ) { try Linear($0, 256, 256) }
      let x = Variable(leaf: Tensor(repeating: 1, [1024, 256], on: backend))
      let before = backend.memory.live
      let y = layer(x * 2)
      return withExtendedLifetime((x, y, parameters)) { backend.memory.live - before }
    }
    let activation = 1024 * 256 * 4
    #expect(try heldBytes(trainable: false) == activation)
    #expect(try heldBytes(trainable: true) == 2 * activation)
  }

  @Test func unusedLeavesGetNoGradient() {
    let (x, y) = (leaf([1]), leaf([2]))
    let unused = y * 2
    x.silu().sum().backward()
    #expect(y.gradient == nil)
    #expect(unused.gradient == nil)
  }

  // MARK: Passes

  @Test func gradientsOfParametersAddUpOverPasses() throws {
    let (blocks, parameters) = try SmallBlock.pair(on: backend)
    let x = SmallBlock.input(on: backend)
    blocks[0](Variable(x)).sum().backward()
    let once = parameters.gradients.array(Float.self)
    blocks[0](Variable(x)).sum().backward()
    #expect(once.contains { $0 != 0 })
    // Adding a number to itself is exact.
    #expect(relativeError(parameters.gradients.array(), once.map { 2 * $0 }) <= float32Tolerance(sumLength: 2))
    parameters.clearGradients()
    blocks[0](Variable(x)).sum().backward()
    #expect(parameters.gradients.array(Float.self) == once)
  }

  /// The order of additions does not depend on chance.
  @Test func passesRepeatBitForBit() throws {
    let runs = try (0..<3).map { _ in
      let (blocks, parameters) = try SmallBlock.pair(on: backend)
      let x = Variable(leaf: SmallBlock.input(on: backend))
      blocks[1](blocks[0](x) + blocks[1](x)).sum().backward()
      return [parameters.gradients.bits, try #require(x.gradient).bits]
    }
    #expect(runs[0] == runs[1])
    #expect(runs[0] == runs[2])
  }

  @Test func deepChainsDoNotOverflowTheStack() {
    let x = leaf([1, 2])
    let constant = Variable(Tensor([0.5 as Float, 0.25], [2], on: backend))
    var forgotten = x
    for _ in 0..<100_000 { forgotten = forgotten + constant }
    forgotten = x
    var h = x
    for _ in 0..<50_000 { h = (h + constant) * 1 }
    h.backward(Tensor([3 as Float, 4], [2], on: backend))
    #expect(gradient(x) == [3, 4])
  }

  @Test func backwardWithoutAGraphTraps() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      Variable(Tensor(repeating: 1, [3], on: NullBackend())).backward(Tensor(repeating: 1, [3], on: NullBackend()))
    }
    let message = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(message.contains("backward") && message.contains("[3]"))
  }

  @Test func aSeedOfAnotherShapeTraps() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      let backend = NullBackend()
      Variable(leaf: Tensor(repeating: 1, [3], on: backend)).silu().backward(Tensor(repeating: 1, [4], on: backend))
    }
    let message = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(message.contains("backward") && message.contains("[3]") && message.contains("[4]"))
  }
}
