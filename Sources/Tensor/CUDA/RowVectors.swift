/// How the threads of a kernel read rows of elements: 16 bytes at a time where lengths and addresses allow it, one
/// element otherwise.
struct RowVectors {
  /// The type of all elements.
  let dtype: DType
  /// The elements that are read at once.
  let width: Int

  /// The vectors for rows of `length` elements in `tensors`, which must be of one type.
  init(length: Int, _ tensors: [Tensor], _ operation: String) {
    dtype = tensors.commonType(operation)
    let widest = tensors[0].vectorWidth
    width = length.isMultiple(of: widest) && tensors.allSatisfy(\.isVectorAligned) ? widest : 1
  }

  /// A kernel in the variant for these vectors.
  func kernel(_ source: KernelSource, _ function: String) -> Kernel {
    Kernel(source, function, KernelMacro("T", dtype), KernelMacro("WIDTH", String(width)))
  }
}

extension [Tensor] {
  /// The type that all of these tensors must have.
  func commonType(_ operation: String) -> DType {
    let dtype = self[0].dtype
    require(
      dtype.isFloatingPoint && allSatisfy { $0.dtype == dtype }, "\(operation): \(map(\.dtype)) are not of one type")
    return dtype
  }
}
