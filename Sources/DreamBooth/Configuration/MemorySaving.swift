extension TrainingConfiguration {
  /// The type of trained weights between steps.
  var masterType: DType { fullBf16 ? .bfloat16 : .float32 }

  /// How long gradients are kept.
  var gradientKeeping: ParameterStore.GradientKeeping { fusedBackwardPass ? .untilComplete : .arena }

  /// The optimiser of a run over the given stores.
  func makeOptimizer(_ stores: [ParameterStore]) -> AdamW {
    AdamW(
      stores, adamW, maximumGradientNorm: maxGradNorm, lossScaling: mixedPrecision.lossScaling,
      quantizesMoments: use8bitAdam,
      rounding: fullBf16 ? TrainingStream.rounding.random(seed: seed ?? 0) : nil)
  }

  /// Makes sure that what saves memory goes together with the other options.
  public func requireMemorySavings() throws(TrainingOptionError) {
    if fullBf16 && mixedPrecision != .bf16 {
      throw TrainingOptionError(
        .fullBf16, "keeps weights in the type that is computed in; give --mixed_precision bf16 too")
    }
    guard fusedBackwardPass else { return }
    let reason = "uses each gradient as soon as it is complete and then forgets it"
    if maxGradNorm.isFinite {
      throw TrainingOptionError(
        .fusedBackwardPass,
        "\(reason), so gradients cannot be clipped to a common norm; give --max_grad_norm inf, or leave it out")
    }
    if gradientAccumulationSteps > 1 {
      throw TrainingOptionError(
        .fusedBackwardPass,
        "\(reason), so batches cannot add up; leave it out, or --gradient_accumulation_steps \(gradientAccumulationSteps)"
      )
    }
    if mixedPrecision == .fp16 {
      throw TrainingOptionError(
        .fusedBackwardPass,
        "\(reason), so a step whose scaled gradients overflow could not be skipped; give --mixed_precision bf16 instead"
      )
    }
  }
}

extension KeyedDecodingContainer<TrainingConfiguration.CodingKeys> {
  /// Checkpoints and logs that were written before there were these options lack them.
  ///
  /// Being more specific than the standard library's method, this one is what synthesised decoding calls.
  func decode(_: Bool.Type, forKey key: Key) throws -> Bool {
    if let flag = try decodeIfPresent(Bool.self, forKey: key) { return flag }
    if key == .trainUnet { return true }
    guard [.fullBf16, .use8bitAdam, .fusedBackwardPass].contains(key) else {
      throw DecodingError.keyNotFound(
        key, DecodingError.Context(codingPath: codingPath, debugDescription: "\(key.rawValue) is missing"))
    }
    return false
  }
}
