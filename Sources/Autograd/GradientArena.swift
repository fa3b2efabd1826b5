/// Who keeps the gradients of a model's parameters.
protocol GradientKeeper: AnyObject, Sendable {
  /// One gradient, zero if no derivative has arrived.
  func value(_ index: Int) -> Tensor
  /// Where the next derivative goes.
  func destination(_ index: Int) -> Destination
  /// Says that a backward pass has no more derivatives for a gradient.
  func complete(_ index: Int)
}

/// The gradients of a model's parameters side by side, each of which is known to hold something or nothing yet.
///
/// Clearing them costs no pass over the memory: afterwards every gradient counts as empty, the first derivative that
/// reaches it replaces what it holds, and further ones are added. Whoever reads a gradient that none has reached finds
/// zeros.
final class GradientArena: GradientKeeper, @unchecked Sendable {
  // Sendable by use, as `Node` is: written only by the thread that runs `backward` and the optimiser.

  private let gradients: Tensor
  private var parts: [Tensor] = []
  private var isFilled: [Bool] = []
  /// What earlier batches of a step have left; made when it is first needed.
  private var sum: Tensor?
  private var sumIsEmpty = true

  /// Room for `count` numbers, all zero.
  init(count: Int, _ dtype: DType, on backend: any Backend) {
    gradients = Tensor(repeating: 0, [count], dtype: dtype, on: backend)
  }

  private var backend: any Backend { gradients.backend }

  /// The place of one parameter's gradient.
  func place(at offset: Int, _ shape: Shape) -> GradientPlace {
    parts.append(gradients.part(at: offset, shape))
    isFilled.append(false)
    return GradientPlace(keeper: self, index: parts.count - 1)
  }

  /// Declares all gradients empty, those of earlier batches included.
  func clear() {
    for index in isFilled.indices { isFilled[index] = false }
    sumIsEmpty = true
  }

  /// All gradients, with zeros where no derivative has arrived and between the parameters.
  func values() -> Tensor {
    if !isFilled.contains(true) {
      backend.fill(0, into: gradients)
      for index in isFilled.indices { isFilled[index] = true }
    } else {
      for index in parts.indices { _ = value(index) }
    }
    return gradients
  }

  /// Adds the gradients to a sum in Float32 and declares them empty.
  ///
  /// In Float32 there is nothing to do: further derivatives are added where these are.
  func addUp() {
    guard gradients.dtype != .float32 else { return }
    let sum = sum ?? Tensor(empty: gradients.shape, on: backend)
    backend.cast(values(), into: Destination(tensor: sum, write: sumIsEmpty ? .overwrite : .accumulate))
    clear()
    (self.sum, sumIsEmpty) = (sum, false)
  }

  /// The gradients of all batches since the last `clear`.
  func total() -> Tensor {
    guard let sum, !sumIsEmpty else { return values() }
    if isFilled.contains(true) { addUp() }
    return sum
  }

  func value(_ index: Int) -> Tensor {
    if !isFilled[index] {
      backend.fill(0, into: parts[index])
      isFilled[index] = true
    }
    return parts[index]
  }

  func destination(_ index: Int) -> Destination {
    defer { isFilled[index] = true }
    return Destination(tensor: parts[index], write: isFilled[index] ? .accumulate : .overwrite)
  }

  /// Gradients stay until all are complete.
  func complete(_ index: Int) {}
}

/// The place of one parameter's gradient.
struct GradientPlace: Sendable {
  let keeper: any GradientKeeper
  let index: Int

  /// The gradient so far.
  var value: Tensor { keeper.value(index) }

  /// Where the next derivative goes: in the place of what is there, or on top of it.
  func next() -> Destination { keeper.destination(index) }

  /// Says that a backward pass has no more derivatives for this gradient.
  func complete() { keeper.complete(index) }
}
