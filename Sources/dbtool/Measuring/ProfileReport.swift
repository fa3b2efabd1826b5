import DreamBooth
import Foundation

/// Where the time of a training step goes: the figures of `dbtool bench --profile`.
struct ProfileReport: Encodable {
  /// Calls that are counted together.
  struct Entry: Encodable {
    let name: String
    let count: Int
    let seconds: Double
    let bytes: Int
    let flops: Int

    init(_ name: String, _ total: Profile.Total) {
      self.name = name
      count = total.count
      seconds = total.seconds
      bytes = total.bytes
      flops = total.flops
    }
  }

  let device: String
  /// The seconds of a whole step while it was accounted for.
  let stepSeconds: Double
  let copyBytesPerSecond: Double
  let flopsPerSecond: Double
  /// The calls by primitive, those that took longest first.
  let primitives: [Entry]
  /// The calls by primitive and extents, those that took longest first.
  let kinds: [Entry]

  private let ceilings: MeasuredCeilings
  /// How many of the kinds people get to see.
  private static let shownKinds = 40

  private enum CodingKeys: CodingKey {
    case device, stepSeconds, copyBytesPerSecond, flopsPerSecond, primitives, kinds
  }

  /// Takes steps of a model and accounts for one.
  init(_ folder: ModelFolder, _ options: TrainingBenchmark.Options, on backend: any Backend) throws {
    ceilings = MeasuredCeilings(backend, options.mixedPrecision.computeType)
    let account = ProfilingBackend(backend)
    let benchmark = try TrainingBenchmark(folder, options, on: account)
    try benchmark.warmUp()
    _ = account.takeProfile()
    stepSeconds = try backend.seconds(1, benchmark.step)[0]
    let profile = account.takeProfile()
    device = backend.name
    copyBytesPerSecond = ceilings.bytesPerSecond
    flopsPerSecond = ceilings.flopsPerSecond
    primitives = ProfileReport.sorted(profile.primitives.map { Entry($0.key.rawValue, $0.value) })
    kinds = ProfileReport.sorted(profile.kinds.map { Entry("\($0.key.primitive.rawValue) \($0.key)", $0.value) })
  }

  private static func sorted(_ entries: [Entry]) -> [Entry] {
    entries.sorted { ($0.seconds, $1.name) > ($1.seconds, $0.name) }
  }

  /// Both tables.
  var text: String {
    let accounted = primitives.reduce(0) { $0 + $1.seconds }
    let summary = String(
      format: "A step took %.2f ms, of which %.2f ms lie between operations.", 1000 * stepSeconds,
      1000 * max(0, stepSeconds - accounted))
    return [
      "\(device). \(ceilings.text)", summary, "", table(primitives), "",
      "The \(min(kinds.count, Self.shownKinds)) longest of \(kinds.count) kinds:", "",
      table(Array(kinds.prefix(Self.shownKinds))),
    ].joined(separator: "\n")
  }

  private func table(_ entries: [Entry]) -> String {
    var table = TextTable(["ms", "% of step", "calls"] + Rates.headings + ["operation"])
    for entry in entries {
      let rates = Rates(bytes: entry.bytes, flops: entry.flops, seconds: entry.seconds)
      table.add(
        [
          String(format: "%.3f", 1000 * entry.seconds), String(format: "%.1f", 100 * entry.seconds / stepSeconds),
          "\(entry.count)",
        ] + rates.cells(ceilings) + [entry.name])
    }
    return table.text
  }
}
