/// What pictures are wanted.
public struct TextToImageRequest: Sendable {
  /// What each picture shows; one picture for each.
  public var prompts: [String]
  /// What each picture must not show: none, one for all pictures, or one for each.
  public var negativePrompts: [String] = []
  /// How far the prediction is pushed from the negative prompt towards the prompt (Ho and Salimans, 2022). At 1 or
  /// less there is no push, negative prompts count for nothing and a step costs half.
  public var guidanceScale: Float = 7.5
  /// The number of sampling steps.
  public var steps = 50
  /// The height in pixels; the size that the UNet was trained on if left out.
  public var height: Int?
  /// The width in pixels; the size that the UNet was trained on if left out.
  public var width: Int?
  /// One seed for the whole batch or one for each picture, for numbers as `torch.Generator("cpu")` gives them.
  ///
  /// With one for each, a picture does not depend on what it is made together with.
  public var seeds: [UInt64] = [0]
  /// The start instead of numbers from the seeds: of the unit normal distribution, [batch, channels, height, width]
  /// in PyTorch's order.
  public var latents: Tensor?

  /// Pictures of the given prompts.
  public init(prompts: [String]) { self.prompts = prompts }
}

/// How far a walk from noise to pictures has come.
public struct TextToImageProgress: Sendable {
  /// The number of predictions made so far.
  public let step: Int
  /// The number of predictions in all; a sampler may make more than there are sampling steps.
  public let stepCount: Int
  /// The timestep that the last prediction was made at.
  public let timestep: Int
  let sample: Tensor

  /// The latents after the step, [batch, channels, height, width].
  public var latents: Tensor { sample.channelsFirst() }
}

/// Why a request cannot be met.
public enum TextToImageError: Error, Equatable, CustomStringConvertible {
  /// There is nothing to draw.
  case noPrompts
  /// The number of something is neither one nor that of the prompts.
  case wrongCount(of: String, count: Int, prompts: Int)
  /// The height or width is not one that latents can have.
  case wrongSize(side: String, pixels: Int, multipleOf: Int)
  /// The given start has other extents than the pictures call for.
  case wrongLatents(found: Shape, expected: Shape)
  /// The strength of the guidance is infinite or not a number.
  case wrongGuidance(Float)
  /// What was computed is infinite or not a number.
  case noNumbers

  /// What is wrong and what to do about it.
  public var description: String {
    switch self {
    case .noPrompts: "there is no prompt; give at least one"
    case .wrongCount(let name, let count, let prompts):
      "there are \(count) \(name) for \(prompts) prompts; give one, or one for each prompt"
    case .wrongSize(let side, let pixels, let factor):
      "the \(side) is \(pixels) pixels; it must be a multiple of \(factor), above 0"
    case .wrongLatents(let found, let expected):
      "the latents to start from have shape \(found), but the pictures call for \(expected)"
    case .wrongGuidance(let scale): "the guidance scale is \(scale); it must be a number, usually from 1 to 20"
    case .noNumbers:
      "what the model has drawn are no numbers; its weights, or those of a LoRA or a word, are damaged, "
        + "or half precision is too small for them, which --mixed-precision no avoids"
    }
  }
}
