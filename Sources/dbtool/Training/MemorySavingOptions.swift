import ArgumentParser
import DreamBooth

/// Ways to train in less memory; gradient checkpointing aside, which changes no number.
struct MemorySavingOptions: ParsableArguments {
  @Flag(
    name: .customLong("full-bf16"), inversion: .prefixedNo, exclusivity: .chooseLast,
    help: "In bf16: keep trained weights in bf16 alone, rounded at random by each step.")
  var fullBf16 = false

  @Flag(
    name: .customLong("use-8bit-adam"), inversion: .prefixedNo, exclusivity: .chooseLast,
    help: "Keep AdamW's moments in 8 bits instead of 32, quantised by blocks.")
  var use8bitAdam = false

  @Flag(
    inversion: .prefixedNo, exclusivity: .chooseLast,
    help: "Update weights during the backward pass and keep no gradients, which cannot be clipped then.")
  var fusedBackwardPass = false

  func apply(to configuration: inout TrainingConfiguration) {
    configuration.fullBf16 = fullBf16
    configuration.use8bitAdam = use8bitAdam
    configuration.fusedBackwardPass = fusedBackwardPass
  }
}
