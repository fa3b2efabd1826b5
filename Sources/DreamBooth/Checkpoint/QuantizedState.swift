/// The moments of one parameter in 8 bits, as checkpoints hold them: `exp_avg.<key>` and `exp_avg_sq.<key>` as codes, and
/// `exp_avg.<key>.absmax` and `exp_avg_sq.<key>.absmax` as the scales of their blocks.
///
/// Blocks follow the order of numbers on the device, and so do the codes here, one axis long. `convolution_layout` in the
/// file's metadata names the order of convolution weights. On a device with the same order a run goes on with the same
/// bytes; for another one the moments are quantised anew.
struct QuantizedState {
  private let specification: ParameterSpecification
  private let layout: ConvolutionLayout
  /// What each moment is called, how its codes are meant, and where they and their scales are.
  private let moments: [(name: String, map: QuantizationMap, codes: Tensor, scales: Tensor)]

  /// The part of a store's moments that belongs to a parameter.
  init(_ parameter: Parameter, in store: ParameterStore, _ moments: QuantizedMoments) {
    specification = parameter.specification
    layout = store.backend.convolutionLayout
    let range = store.range(of: parameter)
    let part = moments.part(at: range.lowerBound, count: range.count)
    self.moments = [
      ("exp_avg.\(parameter.name)", .signed, part.codes1, part.scales1),
      ("exp_avg_sq.\(parameter.name)", .unsigned, part.codes2, part.scales2),
    ]
  }

  /// What a file of such moments says besides; nothing where an optimiser keeps its moments in Float32.
  static func metadata(_ optimizer: AdamW) -> [String: String] {
    guard !optimizer.quantizedMoments.isEmpty else { return [:] }
    return ["convolution_layout": optimizer.stores[0].backend.convolutionLayout.name]
  }

  /// The tensors of a parameter of the given name and shape.
  static func shapes(_ name: String, _ shape: Shape) -> [(name: String, shape: Shape)] {
    let blocks = Shape([QuantizedBlock.count(of: shape.count)])
    return ["exp_avg", "exp_avg_sq"].flatMap { moment in
      [("\(moment).\(name)", Shape([shape.count])), ("\(moment).\(name).absmax", blocks)]
    }
  }

  /// What is written.
  var items: [TensorItem] {
    moments.flatMap { [TensorItem($0.name, $0.codes), TensorItem("\($0.name).absmax", $0.scales)] }
  }

  /// Takes the moments from a file whose names and shapes have been checked.
  ///
  /// - Throws: `TensorFileError` where a tensor is missing or of another type.
  func restore(from file: SafetensorsFile) throws {
    let stored = ConvolutionLayout.allCases.first { $0.name == file.metadata["convolution_layout"] } ?? layout
    for moment in moments {
      var codes = try file.bytes(moment.name)
      var scales = try file.floats("\(moment.name).absmax")
      if specification.kind == .convolution && stored != layout {
        let numbers = QuantizedBlock.dequantize(codes, scales, moment.map)
        (codes, scales) = QuantizedBlock.quantize(reordered(numbers, from: stored), moment.map)
      }
      moment.codes.assign(codes)
      moment.scales.assign(scales)
    }
  }

  /// The same numbers in the order of this device.
  private func reordered(_ numbers: [Float], from stored: ConvolutionLayout) -> [Float] {
    let axes = layout.permutation.map { axis in stored.permutation.firstIndex(of: axis) ?? axis }
    return Tensor(numbers, specification.storedShape(stored), on: moments[0].codes.backend).transposed(axes).floats()
  }
}

extension ConvolutionLayout {
  /// The name in files.
  fileprivate var name: String {
    switch self {
    case .heightWidthInOut: "height_width_in_out"
    case .outHeightWidthIn: "out_height_width_in"
    }
  }
}
