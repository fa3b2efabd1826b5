/// The extents of a tensor, outermost first. A scalar has the shape `[]`.
public struct Shape: Hashable, Sendable, ExpressibleByArrayLiteral, CustomStringConvertible {
  /// The extent of each axis, outermost first.
  public let dimensions: [Int]

  /// A shape of the given extents, none of which may be negative.
  public init(_ dimensions: [Int]) {
    require(dimensions.allSatisfy { $0 >= 0 }, "shape: negative extent in \(dimensions)")
    self.dimensions = dimensions
  }

  /// A shape written as a literal, such as `[2, 64, 64, 4]`.
  public init(arrayLiteral dimensions: Int...) {
    self.init(dimensions)
  }

  /// The number of elements.
  public var count: Int { dimensions.reduce(1, *) }

  /// The number of axes.
  public var rank: Int { dimensions.count }

  /// The extent of one axis; negative axes count from the last.
  public subscript(_ axis: Int) -> Int { dimensions[self.axis(axis)] }

  /// Turns an axis that may be negative into one that is not.
  public func axis(_ axis: Int) -> Int {
    let resolved = axis < 0 ? axis + rank : axis
    require(resolved >= 0 && resolved < rank, "axis \(axis) is out of range for shape \(self)")
    return resolved
  }

  /// The same shape with one extent replaced.
  public func replacing(_ axis: Int, with extent: Int) -> Shape {
    var result = dimensions
    result[self.axis(axis)] = extent
    return Shape(result)
  }

  /// The shape as PyTorch prints it, such as `[2, 64, 64, 4]`.
  public var description: String { dimensions.description }
}
