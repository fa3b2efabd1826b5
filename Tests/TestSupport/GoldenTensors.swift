import Tensor

extension SafetensorsFile {
  /// A tensor of real numbers on a device, in the extents it has in the file.
  public func tensor(_ name: String, on backend: any Backend) throws -> Tensor {
    Tensor(try floats(name), try entry(name).shape, on: backend)
  }

  /// A tensor of integers on a device, as Int32.
  public func indices(_ name: String, on backend: any Backend) throws -> Tensor {
    Tensor(try int32s(name), try entry(name).shape, on: backend)
  }

  /// How far a tensor in PyTorch's order lies from the one of this name; see `relativeError`.
  public func relativeError(of found: Tensor, _ name: String) throws -> Double {
    let expected = try entry(name).shape
    guard found.shape == expected else { return .infinity }
    return TestSupport.relativeError(found.floats(), try floats(name))
  }

  /// The tensors of this file that lie further than `tolerance` from those of the same names in another, and how far.
  public func relativeErrors(
    _ names: some Sequence<String>, to golden: SafetensorsFile, above tolerance: Double
  ) throws -> [String: Double] {
    var errors: [String: Double] = [:]
    for name in names {
      let hasExtents = try entry(name).shape == golden.entry(name).shape
      let error = hasExtents ? TestSupport.relativeError(try floats(name), try golden.floats(name)) : .infinity
      if error > tolerance { errors[name] = error }
    }
    return errors
  }
}
