import Foundation
import Testing

@testable import Tensor

/// The documented accuracy of the elementary functions, in units of the last place of the true result.
@Suite struct VectorMathTests {
  @Test func exponential() {
    #expect(worstError(-103.9...88.72, VectorMath.exp, exp) <= 1)
    #expect(worstError(-1...1, VectorMath.exp, exp) <= 1)
  }

  @Test func exponentialAtTheEndsOfTheRange() {
    let x = Lanes(.infinity, -.infinity, .nan, 0, 88.73, -104, 88.72, -103)
    let y = VectorMath.exp(x)
    #expect(y[0] == .infinity && y[1] == 0 && y[2].isNaN && y[3] == 1 && y[4] == .infinity && y[5] == 0)
    #expect(y[6].isFinite && y[7] > 0)
  }

  @Test func errorFunction() {
    #expect(worstError(-4.2...4.2, VectorMath.erf, erf) <= 2)
    #expect(worstError(-0.01...0.01, VectorMath.erf, erf) <= 2)
    #expect(VectorMath.erf(Lanes(.infinity, -.infinity, .nan, 0, -0.0, 9, -9, 4))[2].isNaN)
    #expect(VectorMath.erf(Lanes(repeating: .infinity))[0] == 1)
    #expect(VectorMath.erf(Lanes(repeating: -.infinity))[0] == -1)
  }

  @Test func squareRoot() {
    #expect(worstError(0...9, VectorMath.squareRoot) { $0.squareRoot() } <= 0.5)
  }

  private func worstError(
    _ range: ClosedRange<Float>, _ function: (Lanes) -> Lanes, _ truth: (Double) -> Double
  ) -> Double {
    let steps = 200_000
    var worst = 0.0
    for start in stride(from: 0, to: steps, by: 8) {
      var x = Lanes.zero
      for lane in 0..<8 {
        x[lane] = range.lowerBound + (range.upperBound - range.lowerBound) * Float(start + lane) / Float(steps)
      }
      let y = function(x)
      for lane in 0..<8 {
        let expected = truth(Double(x[lane]))
        worst = max(worst, abs(Double(y[lane]) - expected) / Double(Float(expected).ulp))
      }
    }
    return worst
  }
}
