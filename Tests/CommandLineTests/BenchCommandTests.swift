import Foundation
import TestSupport
import Testing

/// `bench`: what it prints, and what it refuses. How long anything takes is not tested.
@Suite struct BenchCommandTests {
  private let place: Workplace

  init() throws {
    place = try Workplace()
  }

  private func json(_ arguments: [String]) throws -> [String: Any] {
    let output = try place.succeed(["bench", "--resolution", "16", "--json"] + arguments).output
    // The comparison with PyTorch reads line by line.
    #expect(output.split(separator: "\n").count == 1)
    return try #require(JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any])
  }

  private func number(_ name: String, in report: [String: Any]) throws -> Double {
    try #require(report[name] as? Double, "\(name) in \(report)")
  }

  // MARK: - Steps and pictures

  @Test func stepsAndPicturesAreMeasured() throws {
    let report = try json([
      "--model", "model", "--steps", "2", "--sampling-steps", "2", "--train-text-encoder", "--gradient-checkpointing",
    ])
    for name in [
      "forward_ms", "forward_backward_ms", "step_ms", "sampling_step_ms", "sample_ms", "decode_ms", "encode_ms",
      "text_encoder_ms", "peak_bytes", "process_peak_bytes",
    ] { #expect(try number(name, in: report) > 0) }
    #expect(report["implementation"] as? String == "dbtool")
    #expect(report["model"] as? String == "model")
    #expect(report["device"] as? String == "cpu")
    #expect(report["precision"] as? String == "fp32")
    #expect(report["batch"] as? Int == 2)
    #expect(report["resolution"] as? Int == 16)
    #expect(report["train_text_encoder"] as? Bool == true)
    #expect(report["gradient_checkpointing"] as? Bool == true)
  }

  @Test func eitherCanBeLeftOut() throws {
    let training = try json(["--model", "model", "--steps", "1", "--batch", "3"])
    #expect(training["step_ms"] != nil && training["sample_ms"] == nil)
    let sampling = try json([
      "--model", "model", "--steps", "0", "--sampling-steps", "2", "--batch", "1", "--pictures", "1",
    ])
    #expect(sampling["step_ms"] == nil && sampling["sample_ms"] != nil)
    // The optimiser's state is not needed for a picture.
    #expect(try number("peak_bytes", in: sampling) < number("peak_bytes", in: training))
  }

  @Test func figuresCanBeChosen() throws {
    let passes = try json(["--model", "model", "--steps", "1", "--figures", "forward", "forward-backward"])
    #expect(passes["forward_ms"] != nil && passes["forward_backward_ms"] != nil && passes["step_ms"] == nil)
  }

  @Test func peopleGetATable() throws {
    let text = try place.succeed(["bench", "--model", "model", "--resolution", "16", "--steps", "1"]).output
    for word in ["model, 16x16, batch of 2, fp32, cpu", "forward and backward", "training step", "memory at most"] {
      #expect(text.contains(word), "\(text)")
    }
    #expect(!text.contains("decoding"))
  }

  // MARK: - Operations and profile

  @Test func operationsAreMeasured() throws {
    let report = try json(["--operations", "--filter", "meanSquared", "--batch", "1"])
    #expect(try number("copy_bytes_per_second", in: report) > 0)
    #expect(try number("flops_per_second", in: report) > 0)
    let operations = try #require(report["operations"] as? [[String: Any]])
    #expect(
      operations.map { $0["name"] as? String } == [
        "meanSquaredError [1, 16384] float32", "meanSquaredErrorBackward [1, 16384] float32",
      ])
    #expect(operations[0]["flops"] as? Int == 3 * 16384)
    #expect(operations[0]["bytes"] as? Int == 4 * (2 * 16384 + 1))
    #expect(try number("seconds", in: operations[0]) > 0)
  }

  @Test func operationsOfAPartAreListed() throws {
    func names(_ part: String) throws -> [Substring] {
      try place.succeed(["bench", "--operations", "--list", "--parts", part]).output.split(separator: "\n")
    }
    #expect(try names("text-encoder").contains { $0.contains("causal") })
    #expect(try names("optimizer").contains { $0.hasPrefix("adamW ") })
    #expect(try !names("optimizer").contains { $0.hasPrefix("convolution") })
  }

  @Test func operationsAreMeasuredAsTheyAreAskedFor() throws {
    let names = ["meanSquaredError [1, 16384] float32", "matrixProduct ABᵀ 1x1280x320 + bias float32"]
    let arguments = ["bench", "--operations", "--on-request", "--batch", "1"]
    let output = try place.succeed(arguments, input: names.joined(separator: "\n") + "\n").output
    let answers = try output.split(separator: "\n").map { line in
      try #require(JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
    }
    let operations = answers.compactMap { $0["operation"] as? [String: Any] }
    #expect(operations.map { $0["name"] as? String } == names)
    for operation in operations { #expect(try number("seconds", in: operation) > 0) }
  }

  @Test func aProfileAccountsForTheStep() throws {
    let report = try json(["--model", "model", "--profile"])
    let primitives = try #require(report["primitives"] as? [[String: Any]])
    let names = Set(primitives.compactMap { $0["name"] as? String })
    for name in ["convolution", "convolutionBackwardWeight", "matrixProduct", "attentionBackward", "adamW"] {
      #expect(names.contains(name), "\(names)")
    }
    let seconds = try primitives.map { try number("seconds", in: $0) }
    #expect(seconds == seconds.sorted(by: >))
    #expect(try seconds.reduce(0, +) <= number("step_seconds", in: report))
    #expect(primitives.first { $0["name"] as? String == "adamW" }?["count"] as? Int == 1)
    let kinds = try #require(report["kinds"] as? [[String: Any]])
    #expect(
      kinds.reduce(0) { $0 + ($1["flops"] as? Int ?? 0) } == primitives.reduce(0) { $0 + ($1["flops"] as? Int ?? 0) })
    #expect(kinds.count > primitives.count)
  }

  @Test func aProfileIsATableForPeople() throws {
    let text = try place.succeed(["bench", "--model", "model", "--resolution", "16", "--profile"]).output
    for word in ["A large copy moves", "lie between operations", "% of step", "convolutionBackwardInput", "longest of"]
    {
      #expect(text.contains(word), "\(text)")
    }
  }

  // MARK: - Refusals

  @Test(arguments: [
    (["--resolution", "16"], ["--model", "--like", "sd15"]),
    (["--model", "model", "--like", "sd15"], ["--model", "--like"]),
    (["--like", "sd3"], ["--like", "sd3"]), (["--model", "nowhere"], ["nowhere"]),
    (["--model", "model", "--resolution", "15"], ["resolution", "15", "2"]),
    (["--model", "model", "--batch", "0"], ["--batch", "0"]),
    (["--model", "model", "--steps", "-1"], ["--steps", "-1"]),
    (["--model", "model", "--steps", "0"], ["--steps", "--sampling-steps"]),
    (["--model", "model", "--sampling-steps", "1"], ["--sampling-steps", "1"]),
    (["--model", "model", "--precision", "fp8"], ["--precision", "fp8"]),
    (["--model", "model", "--precision", "bf16", "--resolution", "16"], ["cpu", "bf16", "fp32"]),
    (["--operations", "--profile"], ["--operations", "--profile"]),
    (["--model", "model", "--filter", "sum"], ["--filter", "--operations"]),
    (["--operations", "--filter", "teleport"], ["teleport", "matrixProduct"]),
    (["--model", "model", "--list"], ["--list", "--operations"]),
    (["--operations", "--parts", "scheduler"], ["--parts", "scheduler", "autoencoder"]),
    (["--operations", "--on-request", "--list"], ["--on-request", "--list"]),
    (["--model", "model", "--figures", "backward"], ["--figures", "backward", "forward-backward"]),
    (["--model", "model", "--profile", "--figures", "step"], ["--profile", "--figures"]),
    (["--model", "model", "--pictures", "0"], ["--pictures", "0"]),
  ])
  func badOptionsAreRefused(_ arguments: [String], naming words: [String]) throws {
    try place.expectRefusal(["bench"] + arguments, naming: words)
  }
}
