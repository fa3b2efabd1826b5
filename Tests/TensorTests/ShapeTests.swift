import Testing

@testable import Tensor

@Suite struct ShapeTests {
  @Test func countsElements() {
    #expect(Shape([2, 3, 4]).count == 24)
    #expect(Shape([]).count == 1)
    #expect(Shape([3, 0]).count == 0)
  }

  @Test func countsNegativeAxesFromTheLast() {
    #expect(Shape([2, 3, 4])[-1] == 4)
    #expect(Shape([2, 3, 4])[-3] == 2)
  }
}

@Suite struct BroadcastTests {
  @Test func equalShapesAreFlat() {
    #expect(Broadcast([2, 3, 4], [2, 3, 4], operation: "add").isFlat)
    #expect(Broadcast([], [], operation: "add").isFlat)
  }

  @Test func mergesNeighbouringAxes() {
    let perChannel = Broadcast([2, 5, 7, 3], [2, 1, 1, 3], operation: "add")
    #expect(perChannel.shape == [2, 5, 7, 3])
    #expect(perChannel.extents == SIMD4(1, 2, 35, 3))
    #expect(perChannel.firstStrides == SIMD4(0, 105, 3, 1))
    #expect(perChannel.secondStrides == SIMD4(0, 3, 0, 1))
    #expect(!perChannel.isFlat)
  }

  @Test func alignsFromTheLastAxis() {
    let position = Broadcast([2, 77, 8], [77, 8], operation: "add")
    #expect(position.extents == SIMD4(1, 1, 2, 616))
    #expect(position.secondStrides == SIMD4(0, 0, 0, 1))
  }
}
