/// Gradients that exist only from the first derivative that reaches a parameter to the last one.
///
/// As soon as a backward pass has no more derivatives for a parameter, its gradient goes to the optimiser and its memory
/// back to the pool. So there is one backward pass between two calls of `clear`.
final class PassingGradients: GradientKeeper, @unchecked Sendable {
  // Sendable by use, as `Node` is: written only by the thread that runs `backward` and the optimiser.

  private struct Entry {
    let name: String
    let offset: Int
    let shape: Shape
    var gradient: Tensor?
    var isTaken = false
  }

  /// What is done with a complete gradient of the parameter at the given place of the arenas.
  var take: ((_ range: Range<Int>, _ gradient: Tensor) -> Void)?
  private let dtype: DType
  private let backend: any Backend
  private var entries: [Entry] = []

  /// No gradients yet.
  init(_ dtype: DType, on backend: any Backend) {
    self.dtype = dtype
    self.backend = backend
  }

  /// The place of one parameter's gradient.
  func place(_ name: String, at offset: Int, _ shape: Shape) -> GradientPlace {
    entries.append(Entry(name: name, offset: offset, shape: shape))
    return GradientPlace(keeper: self, index: entries.count - 1)
  }

  func value(_ index: Int) -> Tensor {
    if let gradient = entries[index].gradient { return gradient }
    let zeros = Tensor(repeating: 0, entries[index].shape, dtype: dtype, on: backend)
    entries[index].gradient = zeros
    return zeros
  }

  func destination(_ index: Int) -> Destination {
    let entry = entries[index]
    require(
      !entry.isTaken,
      "\(entry.name): a derivative arrives after the parameter's step; a step takes one backward pass, over one batch")
    if let gradient = entry.gradient { return .accumulate(gradient) }
    let gradient = Tensor(empty: entry.shape, dtype: dtype, on: backend)
    entries[index].gradient = gradient
    return .overwrite(gradient)
  }

  func complete(_ index: Int) {
    let entry = entries[index]
    guard let gradient = entry.gradient else { return }
    guard let take else { fatalError("\(entry.name): there is no optimiser to take its gradient") }
    entries[index].gradient = nil
    entries[index].isTaken = true
    take(entry.offset..<entry.offset + entry.shape.count, gradient)
  }

  /// Completes what the backward pass has not: zero for parameters that it has not reached.
  func completeAll() {
    for index in entries.indices where !entries[index].isTaken {
      _ = value(index)
      complete(index)
    }
  }

  /// Begins anew, for the next step.
  func clear() {
    for index in entries.indices {
      entries[index].gradient = nil
      entries[index].isTaken = false
    }
  }
}
