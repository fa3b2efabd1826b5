import Foundation
import TestSupport
import Testing

@testable import Diffusion

/// Weights in every form that diffusers has ever written.
@Suite struct WeightFilesTests {
  private let model: EditableModel

  init() throws { model = try EditableModel() }

  /// The tensors of the UNet, or those of a variant.
  private func numbers(_ variant: String? = nil) throws -> [String: [Float]] {
    var options = ModelOptions()
    options.variant = variant
    let tensors = try ModelFolder(model.url, options: options).tensors(of: .unet)
    return Dictionary(uniqueKeysWithValues: try tensors.map { ($0.name, try $0.floats()) })
  }

  private func items() throws -> [TensorItem] {
    let file = try SafetensorsFile(model.weights(.unet))
    return try file.names.map { TensorItem($0, copying: try file.entry($0)) }
  }

  /// Moves the plain weights of the UNet to another name.
  private func rename(to name: String) throws {
    try FileManager.default.moveItem(at: model.weights(.unet), to: model.file("unet/\(name)"))
  }

  private func error(_ variant: String? = nil) -> ModelFolderError? {
    #expect(throws: ModelFolderError.self) { try numbers(variant) }
  }

  @Test func filesOfPyTorchAreRead() throws {
    let expected = try numbers()
    try TorchWriter.write(.tensors(items()), to: model.file("unet/diffusion_pytorch_model.bin"))
    try model.remove("unet/diffusion_pytorch_model.safetensors")
    #expect(try numbers() == expected)
  }

  @Test func theTextEncodersFileOfPyTorchHasAnotherName() throws {
    let expected = try model.open().tensors(of: .textEncoder).map { try $0.floats() }
    let file = try SafetensorsFile(model.weights(.textEncoder))
    let items = try file.names.map { TensorItem($0, copying: try file.entry($0)) }
    try TorchWriter.write(.tensors(items), to: model.file("text_encoder/pytorch_model.bin"))
    try model.remove("text_encoder/model.safetensors")
    #expect(try model.open().tensors(of: .textEncoder).map { try $0.floats() } == expected)
  }

  // MARK: - Variants

  @Test func aVariantIsReadOnRequestOrWhereThereIsNoOther() throws {
    let expected = try numbers()
    let halves = try items().map { $0.converted(to: .float16) }
    try SafetensorsWriter.write(halves, to: model.file("unet/diffusion_pytorch_model.fp16.safetensors"))
    let rounded = expected.mapValues { $0.map { Float(Float16($0)) } }
    #expect(rounded != expected)
    #expect(try numbers() == expected)
    #expect(try numbers("fp16") == rounded)
    try model.remove("unet/diffusion_pytorch_model.safetensors")
    #expect(try numbers() == rounded)
    let folder = model.file("unet").path(percentEncoded: false) + "/"
    #expect(error("bf16") == .missingVariant(folder: folder, variant: "bf16"))
    try SafetensorsWriter.write(halves, to: model.file("unet/diffusion_pytorch_model.non_ema.safetensors"))
    #expect(error() == .severalVariants(folder: folder, variants: ["fp16", "non_ema"]))
    #expect(try numbers("non_ema") == rounded)
  }

  // MARK: - Shards

  /// Writes the weights in two shards and an index, which may be changed.
  private func shard(_ index: String, variant: String = "", _ change: (inout [String: String]) -> Void = { _ in })
    throws
  {
    let all = try items()
    let names = [
      "diffusion_pytorch_model\(variant)-00001-of-00002", "diffusion_pytorch_model\(variant)-00002-of-00002",
    ]
    var places: [String: String] = [:]
    for (half, name) in zip([all.prefix(all.count / 2), all.suffix(all.count - all.count / 2)], names) {
      try SafetensorsWriter.write(Array(half), to: model.file("unet/\(name).safetensors"))
      for item in half { places[item.name] = "\(name).safetensors" }
    }
    change(&places)
    let json: [String: Any] = ["metadata": ["total_size": 1], "weight_map": places]
    try JSONSerialization.data(withJSONObject: json).write(to: model.file("unet/\(index)"))
    try model.remove("unet/diffusion_pytorch_model.safetensors")
  }

  @Test func shardsAreReadByTheirIndex() throws {
    let expected = try numbers()
    try shard("diffusion_pytorch_model.safetensors.index.json")
    #expect(try numbers() == expected)
  }

  /// Where the variant stands in an index's name has changed.
  @Test(arguments: [
    "diffusion_pytorch_model.safetensors.index.fp16.json", "diffusion_pytorch_model.fp16.safetensors.index.json",
  ])
  func shardsMayBeOfAVariant(_ index: String) throws {
    let expected = try numbers()
    try shard(index, variant: ".fp16")
    #expect(try numbers("fp16") == expected)
    #expect(try numbers() == expected)
  }

  @Test func anIndexThatLeadsOutOfItsFolderIsRefused() throws {
    for place in ["../vae/diffusion_pytorch_model.safetensors", "/etc/passwd", "", ".."] {
      let model = try WeightFilesTests()
      try model.shard("diffusion_pytorch_model.safetensors.index.json") { $0["conv_in.bias"] = place }
      guard case .badIndex(_, let reason)? = model.error() else {
        Issue.record("\(place)")
        continue
      }
      #expect(reason.contains("'\(place)'"))
    }
  }

  @Test func whatShardsLackIsNamed() throws {
    try shard("diffusion_pytorch_model.safetensors.index.json") { $0["more"] = $0["conv_in.bias"] }
    let index = model.file("unet/diffusion_pytorch_model.safetensors.index.json").path(percentEncoded: false)
    #expect(error() == .missingKeys(file: index, keys: ["more"]))
  }

  /// What a shard holds besides is none of the model's, as in diffusers.
  @Test func onlyWhatTheIndexListsIsRead() throws {
    try shard("diffusion_pytorch_model.safetensors.index.json") { $0["conv_in.bias"] = nil }
    guard case .missingKeys(_, ["conv_in.bias"])? = error() else { return #expect(Bool(false)) }
  }
}
