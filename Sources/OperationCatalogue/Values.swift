import Tensor

/// A host array of bounded numbers with a shape: what the references read and write.
public struct Values: Sendable {
  /// The extents.
  public let shape: Shape
  /// The elements, the last axis fastest.
  public var elements: [Bounded]

  /// Elements under a shape.
  public init(_ shape: Shape, _ elements: [Bounded]) {
    require(shape.count == elements.count, "Values: \(elements.count) elements do not fill \(shape)")
    self.shape = shape
    self.elements = elements
  }

  /// An array of zeros.
  public init(zeros shape: Shape) {
    self.init(shape, Array(repeating: Bounded(0), count: shape.count))
  }

  /// The number of elements.
  public var count: Int { elements.count }

  /// The only element.
  public var scalar: Bounded { elements[0] }

  /// The same elements under another shape.
  public func reshaped(_ shape: Shape) -> Values { Values(shape, elements) }

  /// Applies a function to every element.
  public func map(_ function: (Bounded) -> Bounded) -> Values { Values(shape, elements.map(function)) }

  /// An element of an array of one axis.
  public subscript(i: Int) -> Bounded {
    get { elements[i] }
    set { elements[i] = newValue }
  }

  /// An element of an array of two axes.
  public subscript(i: Int, j: Int) -> Bounded {
    get { elements[i * shape.dimensions[1] + j] }
    set { elements[i * shape.dimensions[1] + j] = newValue }
  }

  /// An element of an array of three axes.
  public subscript(i: Int, j: Int, k: Int) -> Bounded {
    get { elements[offset(i, j, k)] }
    set { elements[offset(i, j, k)] = newValue }
  }

  /// An element of an array of four axes.
  public subscript(i: Int, j: Int, k: Int, l: Int) -> Bounded {
    get { elements[offset(i, j, k) * shape.dimensions[3] + l] }
    set { elements[offset(i, j, k) * shape.dimensions[3] + l] = newValue }
  }

  private func offset(_ i: Int, _ j: Int, _ k: Int) -> Int {
    (i * shape.dimensions[1] + j) * shape.dimensions[2] + k
  }
}

extension Values {
  /// Element `index` of the array with its axes reordered, for any number of axes.
  public func transposed(_ permutation: [Int]) -> Values {
    let result = Shape(permutation.map { shape[$0] })
    var elements: [Bounded] = []
    elements.reserveCapacity(count)
    for flat in 0..<count {
      var source = Array(repeating: 0, count: shape.rank)
      var rest = flat
      for axis in (0..<shape.rank).reversed() {
        source[permutation[axis]] = rest % result[axis]
        rest /= result[axis]
      }
      var offset = 0
      for axis in 0..<shape.rank { offset = offset * shape[axis] + source[axis] }
      elements.append(self.elements[offset])
    }
    return Values(result, elements)
  }
}
