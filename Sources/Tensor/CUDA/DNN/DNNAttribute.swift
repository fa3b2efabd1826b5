// The numbers in this file are those of cuDNN's header cudnn_graph.h.

/// What a descriptor describes.
enum DNNDescriptorKind: CInt, Sendable {
  case pointwise = 0
  case convolution = 1
  case engine = 2
  case engineConfiguration = 3
  case engineHeuristic = 4
  case executionPlan = 5
  case knobChoice = 7
  case convolutionForward = 10
  case convolutionBackwardFilter = 11
  case convolutionBackwardData = 12
  case pointwiseOperation = 13
  case operationGraph = 15
  case variantPack = 16
  case tensor = 17
}

/// A property of a descriptor.
enum DNNAttribute: CInt, Sendable {
  case pointwiseMode = 0
  case pointwiseComputeType = 1

  case convolutionComputeType = 100
  case convolutionMode = 101
  case convolutionDilations = 102
  case convolutionStrides = 103
  case convolutionPostPaddings = 104
  case convolutionPrePaddings = 105
  case convolutionSpatialDimensions = 106

  case heuristicMode = 200
  case heuristicGraph = 201
  case heuristicResults = 202

  case configurationEngine = 300
  case configurationKnobs = 302

  case planHandle = 400
  case planConfiguration = 401
  case planWorkspaceSize = 402

  case knobType = 600
  case knobValue = 601

  case forwardAlpha = 700
  case forwardBeta = 701
  case forwardConvolution = 702
  case forwardWeight = 703
  case forwardInput = 704
  case forwardOutput = 705

  case backwardDataAlpha = 706
  case backwardDataBeta = 707
  case backwardDataConvolution = 708
  case backwardDataWeight = 709
  case backwardDataInputGradient = 710
  case backwardDataOutputGradient = 711

  case backwardFilterAlpha = 712
  case backwardFilterBeta = 713
  case backwardFilterConvolution = 714
  case backwardFilterWeightGradient = 715
  case backwardFilterInput = 716
  case backwardFilterOutputGradient = 717

  case pointwiseDescriptor = 750
  case pointwiseFirst = 751
  case pointwiseSecond = 752
  case pointwiseResult = 753

  case graphHandle = 800
  case graphOperations = 801

  case tensorAlignment = 900
  case tensorDataType = 901
  case tensorDimensions = 902
  case tensorStrides = 903
  case tensorIdentifier = 906
  case tensorIsVirtual = 907

  case packIdentifiers = 1000
  case packPointers = 1001
  case packWorkspace = 1003

  case engineIndex = 1301
  case engineNumericalNotes = 1303
}

/// The value of an attribute, in the types that cuDNN tells apart.
enum DNNValue: Sendable {
  case handle(UInt)
  case dataType(DNNDataType)
  case flag(Bool)
  case integers([Int])
  case float(Float)
  case pointers([UInt])
  case convolutionMode(DNNConvolutionMode)
  case heuristicMode(DNNHeuristicMode)
  case pointwiseMode(DNNPointwiseMode)
  case descriptors([DNNDescriptor])

  /// The descriptors among the values.
  var references: [DNNDescriptor] {
    guard case .descriptors(let descriptors) = self else { return [] }
    return descriptors
  }
}

/// How the values of an attribute are stored.
enum DNNValueType: CInt, Sendable {
  case handle = 0
  case dataType = 1
  case flag = 2
  case integer = 3
  case float = 4
  case pointer = 6
  case convolutionMode = 7
  case heuristicMode = 8
  case knobType = 9
  case numericalNote = 11
  case pointwiseMode = 14
  case descriptor = 15
}

/// The types of number.
enum DNNDataType: CInt, Sendable {
  case float32 = 0
  case float16 = 2
  case bfloat16 = 9

  /// The counterpart of a tensor's type; there is none for whole numbers.
  init?(_ dtype: DType) {
    switch dtype {
    case .float32: self = .float32
    case .float16: self = .float16
    case .bfloat16: self = .bfloat16
    case .int32, .uint8: return nil
    }
  }
}

/// Whether the kernel is mirrored. Neural networks do not.
enum DNNConvolutionMode: CInt, Sendable {
  case convolution = 0
  case crossCorrelation = 1
}

/// Where a list of engines comes from: a model of their speed, or the few that take anything.
enum DNNHeuristicMode: CInt, Sendable {
  case fallback = 2
  case bySpeed = 3
}

/// Functions of one or two numbers.
enum DNNPointwiseMode: CInt, Sendable {
  case add = 0
}

/// What an engine does to numbers besides the textbook sum.
enum DNNNumericalNote: CInt, Sendable {
  case tensorCore = 0
  case downConvertsInputs = 1
  case reducedPrecisionReduction = 2
  case fourier = 3
  case nondeterministic = 4
  case winograd = 5
  case winograd4x4 = 6
  case winograd6x6 = 7
  case winograd13x13 = 8
  case strictNaNPropagation = 9
}
