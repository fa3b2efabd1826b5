import Foundation

/// What a user may say about a model beyond where it is.
public struct ModelOptions: Sendable {
  /// What the model is opened for.
  public enum Use: Sendable {
    /// Making pictures of texts, and training for it.
    case pictures
    /// Writing it in another form; models that paint into pictures or edit them are accepted too.
    case conversion
  }

  /// What the model is opened for.
  public var use = Use.pictures
  /// The variant of a folder's weights, such as `fp16` in `diffusion_pytorch_model.fp16.safetensors`; the plain files,
  /// or the only variant there is, if nil.
  public var variant: String?
  /// For a single file: the folder of a diffusers model whose configurations and tokenizer go with the weights.
  public var configuration: URL?
  /// For a single file: what the model predicts; found out if nil.
  public var predictionType: PredictionType?
  /// For a single file: whether the running averages of the UNet's weights are taken instead of the weights.
  ///
  /// Averages make better pictures, the weights themselves are the place to train on from.
  public var usesAverages = false

  /// The options of a model that is opened for something.
  public init(use: Use = .pictures) { self.use = use }
}
