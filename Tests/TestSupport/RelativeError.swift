/// The norm of the difference over the norm of what was expected; infinite where a number is missing or not a number.
public func relativeError(_ found: [Float], _ expected: [Float]) -> Double {
  guard found.count == expected.count else { return .infinity }
  var (difference, norm) = (0.0, 0.0)
  for (x, y) in zip(found, expected) {
    difference += (Double(x) - Double(y)) * (Double(x) - Double(y))
    norm += Double(y) * Double(y)
  }
  guard difference.isFinite else { return .infinity }
  if norm == 0 { return difference == 0 ? 0 : .infinity }
  return (difference / norm).squareRoot()
}
