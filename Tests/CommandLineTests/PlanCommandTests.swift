import Foundation
import TestSupport
import Testing

/// `plan`: the forecast of a run's memory.
@Suite struct PlanCommandTests {
  private let place: Workplace

  init() throws {
    place = try Workplace()
  }

  private struct Plan: Decodable {
    struct Alternative: Decodable {
      var flags: [String]
      var total: Int
      var fits: Bool?
    }

    var weights, gradients, moments, activations, total: Int
    var memoryLimit: Int?
    var fits: Bool?
    var alternatives: [Alternative]
  }

  private func plan(_ arguments: [String]) throws -> Plan {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(Plan.self, from: Data(place.succeed(["plan", "--json"] + arguments).output.utf8))
  }

  @Test func thePartsAddUp() throws {
    let plan = try plan(["--model", "model", "--resolution", "128"])
    #expect(plan.total == plan.weights + plan.gradients + plan.moments + plan.activations)
    #expect(plan.fits == nil && plan.memoryLimit == nil)
    #expect(
      plan.alternatives.map(\.flags) == [
        ["--gradient_checkpointing"], ["--gradient_checkpointing", "--use_8bit_adam"],
        ["--gradient_checkpointing", "--use_8bit_adam", "--fused_backward_pass --max_grad_norm inf"],
        [
          "--gradient_checkpointing", "--use_8bit_adam", "--fused_backward_pass --max_grad_norm inf", "--resolution 64",
        ],
      ])
    #expect(plan.alternatives.map(\.total) == plan.alternatives.map(\.total).sorted(by: >))
    #expect(plan.alternatives[0].total < plan.total)
  }

  @Test func optionsCount() throws {
    let plain = try plan(["--model", "model", "--resolution", "16"])
    let prior = try plan(["--model", "model", "--resolution", "16", "--with-prior-preservation"])
    let text = try plan(["--model", "model", "--resolution", "16", "--train-text-encoder"])
    #expect(prior.activations > plain.activations && prior.weights == plain.weights)
    #expect(text.gradients > plain.gradients)
    #expect(text.alternatives.last?.flags.contains("--no_train_text_encoder") == true)
  }

  @Test func newWordsAloneTakeLittle() throws {
    let options = ["--model", "model", "--resolution", "16"]
    let whole = try plan(options)
    let words = ["--placeholder-token", "<dog>", "--placeholder-token", "<toy>", "--num-vectors", "4"]
    let alone = try plan(options + words + ["--no-train-unet"])
    // Eight vectors of 32 numbers, in single precision.
    #expect(alone.gradients == 4 * 8 * 32 && alone.moments == 2 * alone.gradients)
    #expect(alone.weights == whole.weights + 4 * 8 * 32)
    let both = try plan(options + words + ["--lora"])
    #expect(both.gradients == (try plan(options + ["--lora"]).gradients) + 4 * 8 * 32)
    try place.expectRefusal(["plan"] + options + ["--no-train-unet"], naming: ["--placeholder_token"])
    try place.expectRefusal(["plan"] + options + ["--num-vectors", "2"], naming: ["--placeholder_token"])
    try place.expectRefusal(
      ["plan"] + options + ["--placeholder-token", "a", "--num-vectors", "76"], naming: ["--num_vectors", "76"])
  }

  @Test func aGPUOffersHalfTypes() throws {
    let options = ["--model", "model", "--resolution", "64", "--device", "cuda"]
    let plain = try plan(options)
    let mixed = try plan(options + ["--mixed-precision", "bf16"])
    #expect(plain.alternatives[0].flags == ["--mixed_precision bf16"])
    #expect(plain.alternatives[0].total == mixed.total)
    #expect(mixed.alternatives[0].flags == ["--gradient_checkpointing"])
    #expect(mixed.alternatives[3].flags.last == "--full_bf16")
    #expect(2 * mixed.gradients == plain.gradients)
    #expect(mixed.moments == plain.moments)
    #expect(mixed.activations < plain.activations)
  }

  /// Every option that saves memory, on top of those before it.
  @Test func savingsAddUp() throws {
    let flags = [
      ["--mixed-precision", "bf16"], ["--use-8bit-adam"], ["--fused-backward-pass"], ["--full-bf16"],
    ]
    let totals = try (0...flags.count).map { count in
      try plan(["--model", "model", "--resolution", "16", "--device", "cuda"] + flags.prefix(count).flatMap { $0 })
        .total
    }
    #expect(totals == totals.sorted(by: >) && Set(totals).count == totals.count)
    try place.expectRefusal(
      ["plan", "--model", "model", "--full-bf16"], naming: ["--full_bf16", "--mixed_precision bf16"])
  }

  /// No file is needed for the published shapes.
  @Test func aPublishedShapeIsPlannedWithoutItsFiles() throws {
    let plan = try plan(["--like", "sd15", "--memory-limit", "24GB"])
    #expect(plan.weights == 4 * (859_520_964 + 123_060_480 + 83_653_863))
    #expect(plan.moments == 2 * plan.gradients)
    #expect(plan.memoryLimit == 24_000_000_000)
    #expect(plan.fits == true)
  }

  @Test func aLimitIsJudged() throws {
    func text(_ limit: String) throws -> String {
      try place.succeed(["plan", "--model", "model", "--resolution", "128", "--memory-limit", limit]).output
    }
    #expect(try text("10GiB").contains("It fits into 10.74 GB."))
    #expect(try text("1MB").contains("does not fit into 1.00 MB, whatever the options"))
    let whole = try plan(["--model", "model", "--resolution", "128"])
    let limit = "\(Double(whole.total - 1) / 1e6)MB"
    #expect(try text(limit).contains("but does with --gradient_checkpointing."))
    #expect(try plan(["--model", "model", "--resolution", "128", "--memory-limit", limit]).fits == false)
  }

  @Test(arguments: [
    ([], ["--model", "--like"]), (["--model", "nowhere"], ["nowhere"]),
    (["--model", "model", "--memory-limit", "plenty"], ["--memory-limit", "plenty"]),
    (["--model", "model", "--train-batch-size", "0"], ["--train-batch-size", "0"]),
    (["--model", "model", "--resolution", "15"], ["resolution", "15"]),
    (["--model", "model", "--mixed-precision", "bf16"], ["--mixed-precision", "bf16", "cuda"]),
  ])
  func badOptionsAreRefused(_ arguments: [String], naming words: [String]) throws {
    try place.expectRefusal(["plan"] + arguments, naming: words)
  }
}
