import Foundation
import TestSupport
import Testing

@testable import Diffusion

/// LoRAs become part of a model's weights, and are found again in them.
@Suite struct LoRAMergingTests {
  private let device = CPUBackend()
  private let home: TemporaryFolder

  init() throws { home = try TemporaryFolder() }

  private func lora(_ name: String) throws -> LoRA {
    try LoRA(contentsOf: Fixtures.folder.appending(path: "goldens/lora/\(name).safetensors"))
  }

  private func base(_ name: String) throws -> ModelFolder {
    try ModelFolder(Fixtures.model(name == "sd2" ? "tiny-sd2" : "tiny-sd1"))
  }

  private func merged(_ name: String, _ loras: [ScaledLoRA]) throws -> ModelFolder {
    let url = home.url.appending(path: "merged")
    try base(name).save(to: url, loras: loras, on: device)
    return try ModelFolder(url)
  }

  @Test(arguments: LoRAFileTests.cases)
  func weightsAreThoseOfDiffusersFusion(_ name: String) throws {
    let golden = try Fixtures.golden("lora/\(name)-pictures")
    let folder = try merged(name, [ScaledLoRA(lora(name))])
    let weights = try StoredWeights(.unet, in: folder.url)
    let keys = golden.names.filter { $0.hasPrefix("merged.unet.") }
    #expect(!keys.isEmpty)
    for key in keys {
      let found = try weights.numbers(String(key.dropFirst("merged.unet.".count)))
      #expect(relativeError(found, try golden.floats(key)) < 1e-6)
    }
  }

  @Test(arguments: [0.5, -2] as [Float])
  func strengthsAreFactorsOnTheFusion(_ scale: Float) throws {
    let golden = try Fixtures.golden("lora/sd1-pictures")
    let folder = try merged("sd1", [ScaledLoRA(lora("sd1"), scale: scale)])
    let (old, new) = (try StoredWeights(.unet, in: base("sd1").url), try StoredWeights(.unet, in: folder.url))
    for key in golden.names where key.hasPrefix("merged.unet.") {
      let name = String(key.dropFirst("merged.unet.".count))
      let expected = zip(try old.numbers(name), try golden.floats(key)).map { $0 + scale * ($1 - $0) }
      #expect(relativeError(try new.numbers(name), expected) < 1e-6)
    }
  }

  @Test func onlyLayersOfTheLoRAsChange() throws {
    let (one, other) = (try lora("sd1"), try lora("sd1-conv"))
    let folder = try merged("sd1", [ScaledLoRA(one, scale: 0.5), ScaledLoRA(other, scale: -1)])
    let changed = Set((one.layers + other.layers).map { "\($0.part.rawValue).\($0.name).weight" })
    for part in ModelPart.allCases {
      let (old, new) = (try StoredWeights(part, in: base("sd1").url), try StoredWeights(part, in: folder.url))
      for specification in try folder.specifications(of: part) {
        let isSame = try old.numbers(specification.name) == new.numbers(specification.name)
        #expect(isSame != changed.contains("\(part.rawValue).\(specification.name)"), "\(specification.name)")
      }
    }
  }

  @Test func aLoRAForAnotherModelLeavesNothingBehind() throws {
    #expect(throws: LoRAError.self) { try merged("sd1", [ScaledLoRA(lora("sd2"))]) }
    #expect(!FileManager.default.fileExists(atPath: home.url.appending(path: "merged").path(percentEncoded: false)))
  }

  /// What was merged is extracted again, as the difference has no higher rank.
  @Test(arguments: LoRAFileTests.cases)
  func extractionFindsWhatWasMerged(_ name: String) throws {
    let original = try lora(name)
    var options = LoRA.Extraction.Options()
    options.rank = 6
    options.convolutionRank = 3
    var calls = 0
    let extraction = try LoRA.extraction(
      from: merged(name, [ScaledLoRA(original)]), base: base(name), options, on: device
    ) { done, total in
      calls += 1
      #expect(done == calls && done <= total)
    }
    #expect(extraction.leftOut == [])
    #expect(extraction.share > 0.99999)
    #expect(extraction.lora.layers.map(\.name) == original.layers.map(\.name))
    for (found, expected) in zip(extraction.lora.layers, original.layers) {
      #expect(found.alpha == Float(found.rank))
      // The difference of two rounded weights, each some fifty times as large.
      let error = relativeError(found.product(on: device).floats(), expected.product(on: device).floats())
      #expect(error < 1e-4, "\(found.name)")
    }
  }

  @Test func whatALoRACannotHoldIsNamed() throws {
    let model = try EditableModel("tiny-sd1")
    let norm = "conv_norm_out.weight"
    try model.edit(.unet) { tensors in
      tensors[norm] = tensors[norm].map { $0 * 2 }
      tensors["conv_out.weight"] = tensors["conv_out.weight"].map { $0 * 1.5 }
    }
    let extraction = try LoRA.extraction(from: model.open(), base: ModelFolder(Fixtures.model("tiny-sd1")), on: device)
    #expect(
      extraction.leftOut == ["unet.conv_out.weight", "unet.\(norm)"]
        || extraction.leftOut == ["unet.\(norm)", "unet.conv_out.weight"])
    #expect(extraction.lora.layers.isEmpty)
    #expect(extraction.share == 0)
  }

  @Test func halfPrecisionFactorsAreRounded() throws {
    var options = LoRA.Extraction.Options()
    options.rank = 4
    options.dtype = .float16
    let extraction = try LoRA.extraction(
      from: merged("sd1", [ScaledLoRA(lora("sd1"))]), base: base("sd1"), options, on: device)
    #expect(extraction.share > 0.999 && extraction.share < 1)
    let url = home.url.appending(path: "half.safetensors")
    try extraction.lora.write(to: url, .kohya, on: device)
    let file = try SafetensorsFile(url)
    #expect(file.entries.filter { $0.key.hasSuffix(".weight") }.allSatisfy { $0.value.dtype == .float16 })
    #expect(try LoRA(contentsOf: url).layers == extraction.lora.layers)
  }
}
