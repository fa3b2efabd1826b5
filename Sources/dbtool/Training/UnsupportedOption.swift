/// An option of diffusers' `train_dreambooth.py` that `dbtool train` does not have.
struct UnsupportedOption {
  /// The name, with dashes.
  let name: String
  /// What there is instead.
  let reason: String
  /// Values that ask for what happens anyway and are therefore accepted; `nil` for a flag, which takes no value.
  let idleValues: [String]?

  private init(_ name: String, idle: [String]? = [], _ reason: String) {
    self.name = name
    self.reason = reason
    idleValues = idle
  }

  /// All of them.
  static let all = [
    UnsupportedOption("revision", "models are folders on this machine; give the folder of that revision"),
    UnsupportedOption("tokenizer-name", "the tokenizer is the one in the model's folder"),
    UnsupportedOption("tokenizer-max-length", "prompts have the length that the model's tokenizer gives them"),
    UnsupportedOption("text-encoder-use-attention-mask", idle: nil, "the text encoders of these models take no mask"),
    UnsupportedOption(
      "pre-compute-text-embeddings", idle: nil, "that happens by itself wherever the text encoder is not trained"),
    UnsupportedOption("skip-save-text-encoder", idle: nil, "the trained model is always written as a whole"),
    UnsupportedOption("prior-generation-precision", "class pictures are generated in the type of --mixed-precision"),
    UnsupportedOption("allow-tf32", idle: nil, "what is computed in float32 is computed in all of its digits"),
    UnsupportedOption(
      "enable-xformers-memory-efficient-attention", idle: nil, "there is one implementation of attention"),
    UnsupportedOption("set-grads-to-none", idle: nil, "how gradients are cleared cannot be chosen"),
    UnsupportedOption("local-rank", idle: ["-1"], "a run uses one device"),
    UnsupportedOption("dataloader-num-workers", idle: ["0"], "pictures are read once, before the first step"),
    UnsupportedOption("report-to", idle: ["none"], "the figures of a run are in log.jsonl in --output-dir"),
    UnsupportedOption("logging-dir", "the figures of a run are in log.jsonl in --output-dir"),
    UnsupportedOption("push-to-hub", idle: nil, "the model stays on this machine"),
    UnsupportedOption("hub-token", "the model stays on this machine"),
    UnsupportedOption("hub-model-id", "the model stays on this machine"),
    UnsupportedOption("validation-scheduler", "--scheduler chooses the sampler of class and sample pictures"),
    UnsupportedOption("validation-images", "sample pictures start from --validation-prompt alone"),
    UnsupportedOption("class-labels-conditioning", "models take text alone"),
  ]

  private static let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })

  /// The arguments of `dbtool train` without the options that ask for what happens anyway, such as
  /// `--report-to none`.
  ///
  /// - Parameter arguments: flags with dashes, after the command's name.
  /// - Throws: `UnsupportedOptionError` for the first option that asks for something else.
  static func removeIdle(from arguments: [String]) throws(UnsupportedOptionError) -> [String] {
    guard arguments.first == "train" else { return arguments }
    var kept: [String] = []
    var pending = arguments[...]
    while let argument = pending.popFirst() {
      if argument == "--" { return kept + [argument] + pending }
      let flag = argument.prefix { $0 != "=" }
      if flag.hasPrefix("--no-"), byName[String(flag.dropFirst(5))]?.isIdleWhenNegated == true { continue }
      guard flag.hasPrefix("--"), let option = byName[String(flag.dropFirst(2))] else {
        kept.append(argument)
        continue
      }
      let value = flag == argument ? pending.first : String(argument.dropFirst(flag.count + 1))
      guard let value, option.idleValues?.contains(value) == true else { throw UnsupportedOptionError(option: option) }
      if flag == argument { pending.removeFirst() }
    }
    return kept
  }

  /// Whether a configuration file may set it to false, as it may a flag.
  private var isIdleWhenNegated: Bool { idleValues == nil }
}

/// An option of diffusers that asks for something this program does not do.
struct UnsupportedOptionError: Error, CustomStringConvertible {
  /// The option.
  let option: UnsupportedOption

  /// One line that names the flag and, where there are any, the values that are accepted.
  var description: String {
    let accepted = (option.idleValues ?? []).map { "'\($0)'" }.joined(separator: " or ")
    return "--\(option.name) is not supported\(accepted.isEmpty ? "" : " beyond \(accepted)"): \(option.reason)"
  }
}
