import DreamBooth
import Foundation

/// The figures of `dbtool bench`, under the names that the scripts in `Benchmarks` have for them.
struct BenchReport: Encodable {
  let implementation = "dbtool"
  let version = DreamBoothVersion.current
  let model: String
  let resolution: Int
  let batch: Int
  let precision: String
  let device: String
  let trainTextEncoder: Bool
  let gradientCheckpointing: Bool
  let fullBf16, use8bitAdam, fusedBackwardPass: Bool
  let recording: Bool
  private(set) var forwardMs, forwardBackwardMs, stepMs: Double?
  private(set) var samplingStepMs, sampleMs, decodeMs, encodeMs, textEncoderMs: Double?
  /// The most that tensors took: in training, or in sampling where there was no training.
  private(set) var peakBytes = 0
  /// The most memory of the host that the program took.
  let processPeakBytes: Int?

  /// Measures what a command asks for.
  init(_ command: BenchCommand, _ computeType: DType, on backend: any Backend) throws {
    model = command.source.name
    resolution = command.resolution
    batch = command.batch
    precision = command.precision.rawValue
    device = backend.name
    trainTextEncoder = command.trainTextEncoder
    gradientCheckpointing = command.gradientCheckpointing
    fullBf16 = command.memorySaving.fullBf16
    use8bitAdam = command.memorySaving.use8bitAdam
    fusedBackwardPass = command.memorySaving.fusedBackwardPass
    recording = command.recording
    let folder = try command.source.folder()
    if command.steps > 0 {
      let times = try TrainingBenchmark(folder, command.trainingOptions, on: backend).measure(count: command.steps)
      forwardMs = times.seconds[.forward].map { 1000 * $0 }
      forwardBackwardMs = times.seconds[.forwardAndBackward].map { 1000 * $0 }
      stepMs = times.seconds[.step].map { 1000 * $0 }
      peakBytes = times.peakByteCount
    }
    if let options = command.samplingOptions(computeType) {
      let times = try SamplingBenchmark(folder, options, on: backend).measure(count: command.pictures)
      samplingStepMs = 1000 * times.step
      sampleMs = 1000 * times.sample
      decodeMs = 1000 * times.decode
      encodeMs = 1000 * times.encode
      textEncoderMs = 1000 * times.textEncoder
      if command.steps == 0 { peakBytes = times.peakByteCount }
    }
    processPeakBytes = try BenchReport.readProcessPeak()
  }

  /// The line `VmHWM` of Linux' `/proc/self/status`, which counts in KiB.
  private static func readProcessPeak() throws -> Int? {
    let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
    return line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) }.map { 1024 * $0 }
  }

  /// The figures in a few lines.
  var text: String {
    let options = [
      "\(model), \(resolution)x\(resolution), batch of \(batch), \(precision), \(device)",
      trainTextEncoder ? "text encoder trained" : nil, gradientCheckpointing ? "gradient checkpointing" : nil,
      use8bitAdam ? "moments in 8 bits" : nil, fullBf16 ? "weights in bf16" : nil,
      fusedBackwardPass ? "steps in the backward pass" : nil,
    ]
    let times: [(String, Double?)] = [
      ("forward", forwardMs), ("forward and backward", forwardBackwardMs), ("training step", stepMs),
      ("sampling step", samplingStepMs), ("picture's latents", sampleMs), ("picture's decoding", decodeMs),
      ("a picture's encoding", encodeMs), ("text encoder", textEncoderMs),
    ]
    let lines = times.compactMap { name, time in
      time.map { TextTable.padded("  \(name)", 24) + String(format: "%12.2f ms", $0) }
    }
    let peak = TextTable.padded("  memory at most", 24) + "   \(MemorySize(byteCount: peakBytes))"
    return ([options.compactMap { $0 }.joined(separator: ", ")] + lines + [peak]).joined(separator: "\n")
  }
}
