/// Finds out what a model of Stable Diffusion 2 predicts by asking it.
///
/// At the last timestep a picture is nearly all noise. A model that predicts noise gives about the picture back; one that
/// predicts velocity, which is the negative of the picture without noise there, gives something far below it. The picture
/// and the threshold are those of AUTOMATIC1111's WebUI.
struct PredictionProbe {
  private let model: ModelFolder

  /// A probe of a model that is opened as if it predicted noise.
  init(_ model: ModelFolder) { self.model = model }

  /// What the model predicts.
  ///
  /// - Throws: why its UNet cannot be read.
  func predictionType() throws -> PredictionType {
    let device = CPUBackend()
    let (unet, _) = try model.loadUNet(on: device)
    let side = 8
    let input = Tensor(repeating: 0.5, [1, side, side, model.unetConfiguration.inputChannels], on: device)
    let states = Tensor(repeating: 0.5, [1, 2, model.textConfiguration.hiddenSize], on: device)
    let timestep = Tensor([Int32(unet.timestepCount - 1)], [1], on: device)
    let output = withoutRecording {
      unet(Variable(input), timesteps: timestep, encoderHiddenStates: Variable(states)).value
    }
    return Self.meanDifference(output.floats()) < -1 ? .velocity : .epsilon
  }

  /// The mean of what the output has more than the input, which is one half everywhere.
  private static func meanDifference(_ output: [Float]) -> Double {
    output.reduce(0) { $0 + Double($1) - 0.5 } / Double(output.count)
  }
}
