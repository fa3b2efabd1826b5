extension TrainingMemory {
  /// A way to train that takes less memory.
  public struct Saving: Sendable {
    /// The flags that ask for it.
    public let flags: [String]
    /// The options with it.
    public let configuration: TrainingConfiguration
  }

  /// What saves memory: the changes that cost least first, each together with all before it.
  ///
  /// - Parameter computeTypes: those of the device.
  public static func savings(_ configuration: TrainingConfiguration, computeTypes: Set<DType>) -> [Saving] {
    var savings: [Saving] = []
    for (flag, change) in changes(configuration, computeTypes) {
      var changed = savings.last?.configuration ?? configuration
      change(&changed)
      savings.append(Saving(flags: (savings.last?.flags ?? []) + [flag], configuration: changed))
    }
    return savings
  }

  private static func changes(
    _ configuration: TrainingConfiguration, _ computeTypes: Set<DType>
  ) -> [(flag: String, change: (inout TrainingConfiguration) -> Void)] {
    let side = configuration.resolution / 2 / 64 * 64
    let mixes = configuration.mixedPrecision == .no && computeTypes.contains(MixedPrecision.bf16.computeType)
    let stepsInBackward =
      !configuration.fusedBackwardPass && configuration.mixedPrecision != .fp16
      && configuration.gradientAccumulationSteps == 1
    let dropsMasters = !configuration.fullBf16 && (mixes || configuration.mixedPrecision == .bf16)
    return [
      mixes ? ("--mixed_precision bf16", { $0.mixedPrecision = .bf16 }) : nil,
      configuration.gradientCheckpointing ? nil : ("--gradient_checkpointing", { $0.gradientCheckpointing = true }),
      configuration.use8bitAdam ? nil : ("--use_8bit_adam", { $0.use8bitAdam = true }),
      stepsInBackward
        ? (
          "--fused_backward_pass --max_grad_norm inf",
          {
            $0.fusedBackwardPass = true
            $0.maxGradNorm = .infinity
          }
        ) : nil,
      dropsMasters ? ("--full_bf16", { $0.fullBf16 = true }) : nil,
      configuration.trainBatchSize == 1 ? nil : ("--train_batch_size 1", { $0.trainBatchSize = 1 }),
      side == 0 ? nil : ("--resolution \(side)", { $0.resolution = side }),
      configuration.trainTextEncoder ? ("--no_train_text_encoder", { $0.trainTextEncoder = false }) : nil,
    ].compactMap { $0 }
  }
}
