import TestSupport
import Testing

/// The measure that all comparisons with PyTorch rest on.
@Suite struct RelativeErrorTests {
  @Test func isTheNormOfTheDifferenceOverTheNorm() {
    #expect(relativeError([3, 4], [3, 4]) == 0)
    #expect(relativeError([3, 5], [3, 4]) == 0.2)
    #expect(relativeError([0, 0], [3, 4]) == 1)
    #expect(relativeError([], []) == 0)
    #expect(relativeError([0], [0]) == 0)
  }

  @Test func nothingMissingOrUndefinedPasses() {
    #expect(relativeError([1], [1, 2]) == .infinity)
    #expect(relativeError([.nan, 1], [1, 1]) == .infinity)
    #expect(relativeError([1, 1], [.nan, 1]) == .infinity)
    #expect(relativeError([.infinity], [.infinity]) == .infinity)
    #expect(relativeError([.infinity], [1]) == .infinity)
    #expect(relativeError([1e-30], [0]) == .infinity)
  }
}
