import Tensor

/// What a sampler does after one call of the model: arithmetic of some form, and the numbers it is done with.
///
/// The numbers are written to the device before the arithmetic is done, so that transitions of one form are the same
/// work, which can be recorded once.
public struct Transition: Sendable {
  /// The arithmetic.
  public let form: any TransitionForm
  /// The numbers; those that the form does not ask for are left out.
  public let coefficients: [SamplerCoefficient: Float]
  /// Whether noise is added.
  public let addsNoise: Bool

  /// A transition of the given form.
  public init(form: any TransitionForm, coefficients: [SamplerCoefficient: Float], addsNoise: Bool = false) {
    self.form = form
    self.coefficients = coefficients
    self.addsNoise = addsNoise
  }
}

/// The arithmetic of transitions. Forms that are equal do the same with other coefficients.
public protocol TransitionForm: Hashable, Sendable {
  /// The next sample; writes to nothing but the walk's `memory`.
  ///
  /// - Parameter modelOutput: Float32, shaped like the walk's sample.
  func callAsFunction(_ modelOutput: Tensor, _ walk: SamplerWalk) -> Tensor
}

/// A number that changes from transition to transition.
public enum SamplerCoefficient: Int, Sendable, CaseIterable {
  /// √ᾱ: how much of the sample is left at the timestep.
  case signal
  /// √(1 - ᾱ): how much noise there is.
  case noise
  /// The factor on the sample without noise.
  case originalScale
  /// The factor on the current sample.
  case sampleScale
  /// The factor on the noise that the model predicts.
  case noiseScale
  /// What that is divided by.
  case noiseDivisor
  /// The standard deviation of noise that is added.
  case deviation
}

/// Where a sampler is on its way, in tensors that keep their place on the device.
///
/// For each call of the model first `prepare` and then `take` the transition; `take` can be recorded.
public struct SamplerWalk: Sendable {
  /// The current sample.
  public let sample: Tensor
  /// The noise for the next transition, shaped like the sample.
  public let noise: Tensor
  /// What a sampler remembers from one transition to the next, each shaped like the sample.
  public let memory: [Tensor]
  private let coefficients: Tensor

  /// A place for walks of samples of the given shape.
  ///
  /// - Parameter memoryCount: that of the sampler.
  public init(_ shape: Shape, memoryCount: Int, on backend: any Backend) {
    sample = Tensor(empty: shape, on: backend)
    noise = Tensor(empty: shape, on: backend)
    memory = (0..<memoryCount).map { _ in Tensor(empty: shape, on: backend) }
    coefficients = Tensor(repeating: 0, [SamplerCoefficient.allCases.count], on: backend)
  }

  /// The number that the transition at hand has for a coefficient, [1].
  public subscript(coefficient: SamplerCoefficient) -> Tensor {
    coefficients.rows(coefficient.rawValue..<coefficient.rawValue + 1)
  }

  /// Hands the device the numbers of a transition.
  ///
  /// - Parameter noise: is called once if the transition adds noise, as diffusers would draw from its generator.
  public func prepare(_ transition: Transition, noise: NoiseSource) {
    coefficients.assign(SamplerCoefficient.allCases.map { transition.coefficients[$0] ?? 0 })
    if transition.addsNoise { self.noise.assign(noise(sample.shape)) }
  }

  /// Moves the sample on by a transition of the given form, which has been prepared.
  public func take(_ form: any TransitionForm, _ modelOutput: Tensor) {
    sample.assign(form(modelOutput, self))
  }
}
