import DreamBooth
import Foundation
import TestSupport
import Testing

/// The rates that diffusers gives; see `Fixtures/learning_rates.py`.
@Suite struct LearningRateScheduleTests {
  private struct Golden: Decodable {
    let name: LearningRateSchedule.Curve
    let base: Double
    let warmup: Int
    let total: Int
    let cycles: Int
    let power: Double
    let rates: [Double]
  }

  private let goldens: [Golden]

  init() throws {
    let data = try Data(contentsOf: Fixtures.folder.appending(path: "goldens/learning-rates.json"))
    goldens = try JSONDecoder().decode([Golden].self, from: data)
  }

  @Test func everyCurveHasAGolden() {
    #expect(Set(goldens.map(\.name)) == Set(LearningRateSchedule.Curve.allCases))
  }

  @Test func everyStepHasTheRateOfDiffusers() {
    for golden in goldens {
      let schedule = LearningRateSchedule(
        golden.name, base: golden.base, warmupSteps: golden.warmup, totalSteps: golden.total, cycles: golden.cycles,
        power: golden.power)
      let rates = golden.rates.indices.map { schedule.rate(atStep: $0) }
      // Both sides are a few Float64 operations on numbers no larger than the base rate.
      let largest = zip(rates, golden.rates).map { abs($0 - $1) }.max() ?? .infinity
      #expect(largest <= 4 * golden.base.ulp, "\(golden.name) of \(golden.total) steps")
    }
  }
}
