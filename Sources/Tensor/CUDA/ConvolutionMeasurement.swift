/// How long one engine of cuDNN takes for a convolution.
package struct ConvolutionMeasurement: Sendable {
  /// The engine and the settings of its knobs, by cuDNN's numbers.
  package let engine: String
  /// The working memory it needs, in bytes.
  package let workspaceByteCount: Int
  /// The mean time of one run.
  package let milliseconds: Double
}

/// Every method measures the engines that cuDNN's model of speed offers, best first; the first is the one that is used.
///
/// This is for benchmarks, to see what the model misses: the calls overwrite their output and wait. Programs never
/// choose by the clock, so that two runs compute alike. The tensors should hold random numbers, since a GPU slows down
/// where many bits change.
extension CUDABackend {
  /// Measures `convolution`.
  package func measureConvolution(
    _ x: Tensor, _ weight: Tensor, bias: Tensor?, _ spec: Convolution2D, into out: Tensor, engines: Int = 8
  ) throws(CUDALibraryError) -> [ConvolutionMeasurement] {
    try measure(.forward(x, weight, bias: bias, spec, into: out), engines)
  }

  /// Measures `convolutionBackwardInput`.
  package func measureConvolutionBackwardInput(
    _ gradient: Tensor, _ weight: Tensor, _ spec: Convolution2D, into dx: Destination, engines: Int = 8
  ) throws(CUDALibraryError) -> [ConvolutionMeasurement] {
    try measure(.backwardInput(gradient, weight, spec, into: dx), engines)
  }

  /// Measures `convolutionBackwardWeight`.
  package func measureConvolutionBackwardWeight(
    _ x: Tensor, _ gradient: Tensor, _ spec: Convolution2D, into dw: Destination, engines: Int = 8
  ) throws(CUDALibraryError) -> [ConvolutionMeasurement] {
    try measure(.backwardWeight(x, gradient, spec, into: dw), engines)
  }

  private func measure(_ call: ConvolutionCall, _ engines: Int) throws(CUDALibraryError) -> [ConvolutionMeasurement] {
    call.requireOperands()
    activate()
    let repetitions = 20
    var measurements: [ConvolutionMeasurement] = []
    for plan in try DNNConvolutionPlan.plans(for: call.convolution, dnn, limit: engines) {
      try execute(plan, call)
      let start = moment()
      for _ in 0..<repetitions { try execute(plan, call) }
      let seconds = start.seconds(until: moment())
      measurements.append(
        ConvolutionMeasurement(
          engine: plan.engine, workspaceByteCount: plan.workspaceByteCount,
          milliseconds: seconds * 1000 / Double(repetitions)))
    }
    return measurements
  }
}
