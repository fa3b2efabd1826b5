import Foundation

/// The learning rate of every optimiser step, with the formulas and the names of `diffusers.optimization`.
public struct LearningRateSchedule: Sendable, Hashable {
  /// How the rate moves over a run.
  public enum Curve: String, Sendable, Hashable, Codable, CaseIterable {
    /// Always the base rate.
    case constant
    /// The base rate after the warm-up.
    case constantWithWarmup = "constant_with_warmup"
    /// Falls evenly to zero.
    case linear
    /// Falls to zero along half a cosine (Loshchilov and Hutter, 2017).
    case cosine
    /// Several half cosines, each from the base rate to zero.
    case cosineWithRestarts = "cosine_with_restarts"
    /// Falls to `polynomialEnd` as a power of the remaining part.
    case polynomial

    /// Whether the rate of a step depends on how many steps the run has.
    var dependsOnLength: Bool {
      switch self {
      case .constant, .constantWithWarmup: false
      case .linear, .cosine, .cosineWithRestarts, .polynomial: true
      }
    }
  }

  /// The rate at which `polynomial` ends.
  public static let polynomialEnd = 1e-7

  private let curve: Curve
  private let base: Double
  private let warmupSteps: Int
  private let totalSteps: Int
  private let cycles: Int
  private let power: Double

  /// A schedule over `totalSteps` optimiser steps, the first `warmupSteps` of which rise evenly from zero.
  ///
  /// - Parameters:
  ///   - base: the highest rate.
  ///   - cycles: how many half cosines `cosineWithRestarts` has.
  ///   - power: the exponent of `polynomial`.
  public init(
    _ curve: Curve, base: Double, warmupSteps: Int = 0, totalSteps: Int, cycles: Int = 1, power: Double = 1
  ) {
    self.curve = curve
    self.base = base
    self.warmupSteps = warmupSteps
    self.totalSteps = totalSteps
    self.cycles = cycles
    self.power = power
  }

  /// The learning rate of an optimiser step; the first step is 0.
  public func rate(atStep step: Int) -> Double { base * factor(atStep: step) }

  private func factor(atStep step: Int) -> Double {
    if curve == .constant { return 1 }
    if step < warmupSteps { return Double(step) / Double(max(1, warmupSteps)) }
    let decaySteps = Double(max(1, totalSteps - warmupSteps))
    let progress = Double(step - warmupSteps) / decaySteps
    switch curve {
    case .constant, .constantWithWarmup: return 1
    case .linear: return max(0, Double(totalSteps - step) / decaySteps)
    case .cosine: return max(0, 0.5 * (1 + cos(.pi * progress)))
    case .cosineWithRestarts:
      guard progress < 1 else { return 0 }
      let cycle = (Double(cycles) * progress).truncatingRemainder(dividingBy: 1)
      return max(0, 0.5 * (1 + cos(.pi * cycle)))
    case .polynomial:
      let end = LearningRateSchedule.polynomialEnd
      guard step <= totalSteps else { return end / base }
      return ((base - end) * pow(1 - progress, power) + end) / base
    }
  }
}
