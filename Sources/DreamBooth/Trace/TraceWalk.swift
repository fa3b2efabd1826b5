/// A trace while it is being written.
///
/// Gradients and parameters of a full-size model are gigabytes, so nothing is copied: each tensor is fetched when the
/// file wants it. The file has its tensors in the order of their names, which is the order of the walk: gradients
/// before `losses`, for which the optimiser steps are taken, and parameters after it.
final class TraceWalk {
  private let parts: [TrainedPart]
  private let learningRate: Double
  private let maximumGradientNorm: Float
  private let forward: () -> (states: Tensor, result: DenoisingStep.Result)
  private let first: (states: Tensor, prediction: Tensor, target: Tensor, loss: PriorPreservationLoss.Value)
  private var hasStepped = false

  /// Takes the first forward and backward pass.
  ///
  /// - Parameter forward: a forward pass over the given numbers.
  init(
    _ parts: [TrainedPart], learningRate: Double, maximumGradientNorm: Float,
    forward: @escaping () -> (states: Tensor, result: DenoisingStep.Result)
  ) {
    self.parts = parts
    self.learningRate = learningRate
    self.maximumGradientNorm = maximumGradientNorm
    self.forward = forward
    let (states, result) = forward()
    result.loss.total.backward()
    first = (states, result.prediction.value, result.target, result.loss)
  }

  /// Everything that is written.
  func items(steps: Int?) -> [TensorItem] {
    var items = [
      TensorItem("encoder_hidden_states", first.states.cast(to: .float32)),
      TensorItem("model_pred", first.prediction.channelsFirst()),
      TensorItem("target", first.target.channelsFirst()),
      TensorItem("loss", first.loss.total.value), TensorItem("loss.instance", first.loss.instance),
    ]
    if let prior = first.loss.prior { items.append(TensorItem("loss.prior", prior)) }
    for part in parts {
      let store = part.parameters
      items += named("grad", part) { [self] parameter in
        require(!hasStepped, "TraceWalk: \(parameter.name)'s gradient is asked for after the optimiser steps")
        return store.pytorch(parameter, in: store.gradients)
      }
    }
    guard let steps else { return items }
    items.append(TensorItem("losses", [steps]) { [self] in takeSteps(steps) })
    for part in parts {
      items += named("param", part) { [self] parameter in
        require(hasStepped, "TraceWalk: \(parameter.name) is asked for before the optimiser steps")
        return part.parameters.pytorch(parameter)
      }
    }
    return items
  }

  private func named(
    _ prefix: String, _ part: TrainedPart, _ make: @escaping (Parameter) -> Tensor
  ) -> [TensorItem] {
    part.parameters.trainable.map { parameter in
      TensorItem("\(prefix).\(part.part.folder).\(parameter.name)", parameter.specification.shape) {
        make(parameter)
      }
    }
  }

  /// Takes optimiser steps on the same numbers, the first with the gradients at hand.
  ///
  /// - Returns: the loss before each step, [count].
  private func takeSteps(_ count: Int) -> Tensor {
    hasStepped = true
    let optimizer = AdamW(parts.map(\.parameters), maximumGradientNorm: maximumGradientNorm)
    let losses = (0..<count).map { step in
      let loss = step == 0 ? first.loss.total.value : nextLoss()
      optimizer.step(learningRate: learningRate)
      return loss.scalar
    }
    return Tensor(losses, [count], on: first.states.backend)
  }

  private func nextLoss() -> Tensor {
    let total = forward().result.loss.total
    total.backward()
    return total.value
  }
}
