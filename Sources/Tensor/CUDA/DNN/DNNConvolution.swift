/// A convolution as cuDNN is asked for it: everything its choice of kernels may depend on, so also the key of plans.
struct DNNConvolution: Sendable, Hashable, CustomStringConvertible {
  /// What is computed from what.
  enum Computation: String, Sendable {
    case forward, forwardWithBias, backwardInput, backwardWeight
  }

  /// What is computed.
  let computation: Computation
  /// [batch, height, width, in].
  let input: Shape
  /// [out, height, width, in].
  let weight: Shape
  /// [batch, height', width', out].
  let output: Shape
  /// Stride and padding.
  let spec: Convolution2D
  /// The type of all tensors. Sums are always formed in Float32.
  let dtype: DType
  /// Whether the result is added to what is there.
  let write: Write

  /// The computation and its extents.
  var description: String {
    let padding = spec.padding
    return "\(computation.rawValue) convolution of \(input) by \(weight) to \(output) in \(dtype), stride "
      + "\(spec.stride), padding \(padding.top) \(padding.left) \(padding.bottom) \(padding.right), \(write)"
  }

  /// Where a tensor of the graph comes from when a plan is executed.
  enum Operand: Int, Sendable {
    case input = 1
    case weight, output, bias
    /// The convolution before the bias is added, which never reaches memory.
    case product
  }

  /// The addresses of all tensors start at multiples of this many bytes.
  static let alignment = 16
}

// MARK: - The graph

extension DNNConvolution {
  /// The computation as a graph of cuDNN's operations.
  func graph(_ handle: DNNHandle) throws(CUDALibraryError) -> DNNDescriptor {
    let library = handle.library
    let input = try tensor(library, .input, self.input)
    let weight = try tensor(library, .weight, self.weight)
    let output = try tensor(library, .output, self.output)
    var operations: [DNNDescriptor]
    switch computation {
    case .forward:
      operations = [try forward(library, input: input, weight: weight, output: output)]
    case .forwardWithBias:
      let product = try tensor(library, .product, self.output)
      let bias = try tensor(library, .bias, [1, 1, 1, self.weight[0]])
      operations = [
        try forward(library, input: input, weight: weight, output: product),
        try addition(library, product, bias, result: output),
      ]
    case .backwardInput:
      operations = [
        try DNNDescriptor(
          library, .convolutionBackwardData,
          [
            .backwardDataConvolution: .descriptors([try geometry(library)]),
            .backwardDataWeight: .descriptors([weight]),
            .backwardDataInputGradient: .descriptors([input]),
            .backwardDataOutputGradient: .descriptors([output]),
            .backwardDataAlpha: .float(1),
            .backwardDataBeta: .float(write == .accumulate ? 1 : 0),
          ])
      ]
    case .backwardWeight:
      operations = [
        try DNNDescriptor(
          library, .convolutionBackwardFilter,
          [
            .backwardFilterConvolution: .descriptors([try geometry(library)]),
            .backwardFilterWeightGradient: .descriptors([weight]),
            .backwardFilterInput: .descriptors([input]),
            .backwardFilterOutputGradient: .descriptors([output]),
            .backwardFilterAlpha: .float(1),
            .backwardFilterBeta: .float(write == .accumulate ? 1 : 0),
          ])
      ]
    }
    return try DNNDescriptor(
      library, .operationGraph,
      [.graphHandle: .handle(handle.pointer), .graphOperations: .descriptors(operations)])
  }

  private func forward(
    _ library: DNNLibrary, input: DNNDescriptor, weight: DNNDescriptor, output: DNNDescriptor
  ) throws(CUDALibraryError) -> DNNDescriptor {
    try DNNDescriptor(
      library, .convolutionForward,
      [
        .forwardConvolution: .descriptors([try geometry(library)]),
        .forwardWeight: .descriptors([weight]),
        .forwardInput: .descriptors([input]),
        .forwardOutput: .descriptors([output]),
        .forwardAlpha: .float(1),
        .forwardBeta: .float(0),
      ])
  }

  private func addition(
    _ library: DNNLibrary, _ first: DNNDescriptor, _ second: DNNDescriptor, result: DNNDescriptor
  ) throws(CUDALibraryError) -> DNNDescriptor {
    let add = try DNNDescriptor(
      library, .pointwise, [.pointwiseMode: .pointwiseMode(.add), .pointwiseComputeType: .dataType(.float32)])
    return try DNNDescriptor(
      library, .pointwiseOperation,
      [
        .pointwiseDescriptor: .descriptors([add]),
        .pointwiseFirst: .descriptors([first]),
        .pointwiseSecond: .descriptors([second]),
        .pointwiseResult: .descriptors([result]),
      ])
  }

  private func geometry(_ library: DNNLibrary) throws(CUDALibraryError) -> DNNDescriptor {
    try DNNDescriptor(
      library, .convolution,
      [
        .convolutionSpatialDimensions: .integers([2]),
        .convolutionComputeType: .dataType(.float32),
        .convolutionMode: .convolutionMode(.crossCorrelation),
        .convolutionStrides: .integers([spec.stride, spec.stride]),
        .convolutionDilations: .integers([1, 1]),
        .convolutionPrePaddings: .integers([spec.padding.top, spec.padding.left]),
        .convolutionPostPaddings: .integers([spec.padding.bottom, spec.padding.right]),
      ])
  }

  /// A tensor of shape [n, height, width, channels]. cuDNN lists the channels second, wherever they lie in memory.
  private func tensor(
    _ library: DNNLibrary, _ operand: Operand, _ shape: Shape
  ) throws(CUDALibraryError) -> DNNDescriptor {
    guard let stored = DNNDataType(dtype) else {
      fatalError("convolution: \(dtype) is not a floating-point type")
    }
    let (n, height, width, channels) = (shape[0], shape[1], shape[2], shape[3])
    return try DNNDescriptor(
      library, .tensor,
      [
        .tensorIdentifier: .integers([operand.rawValue]),
        .tensorDataType: .dataType(operand == .product ? .float32 : stored),
        .tensorDimensions: .integers([n, channels, height, width]),
        .tensorStrides: .integers([height * width * channels, 1, width * channels, channels]),
        .tensorAlignment: .integers([Self.alignment]),
        .tensorIsVirtual: .flag(operand == .product),
      ])
  }
}
