import Foundation
import TestSupport
import Testing

@testable import Diffusion

/// Every tensor has the place in a single file at which diffusers' own readers look for it.
@Suite struct SingleFileLayoutTests {
  static let models = ["sd15", "sd21", "tiny-sd1", "tiny-sd2", "tiny-sd21"]

  /// A tensor's name, or the name and which third of it is meant.
  private enum Golden: Decodable, Equatable {
    case whole(String)
    case third(String, Int)

    init(from decoder: any Decoder) throws {
      do {
        self = .whole(try decoder.singleValueContainer().decode(String.self))
      } catch DecodingError.typeMismatch {
        var pair = try decoder.unkeyedContainer()
        self = .third(try pair.decode(String.self), try pair.decode(Int.self))
      }
    }

    init(_ place: SingleFileLayout.Place) {
      self = place.rows.map { .third(place.name, $0.lowerBound / $0.count) } ?? .whole(place.name)
    }
  }

  private func folder(_ model: String) throws -> ModelFolder {
    try ModelFolder(model.hasPrefix("tiny") ? Fixtures.model(model) : Fixtures.configs(model))
  }

  @Test(arguments: models, ModelPart.allCases)
  func placesAreThoseOfDiffusersReaders(_ model: String, _ part: ModelPart) throws {
    let json = try Data(contentsOf: Fixtures.folder.appending(path: "goldens/single-file/\(model).json"))
    let golden = try #require(JSONDecoder().decode([String: [String: Golden]].self, from: json)[part.rawValue])
    let folder = try folder(model)
    let specifications = try folder.specifications(of: part)
    #expect(specifications.count == golden.count)
    for specification in specifications {
      let place = folder.layout.place(of: specification, in: part)
      #expect(golden[specification.name] == Golden(place), "\(specification.name)")
    }
  }

  /// No two parameters share a row of a tensor, and no row is left over.
  @Test(arguments: models, ModelPart.allCases)
  func placesFillTheirTensors(_ model: String, _ part: ModelPart) throws {
    let folder = try folder(model)
    let places = try folder.specifications(of: part).map { folder.layout.place(of: $0, in: part) }
    #expect(Set(places).count == places.count)
    for (name, parts) in Dictionary(grouping: places, by: \.name) {
      let rows = parts.compactMap(\.rows).sorted { $0.lowerBound < $1.lowerBound }
      if parts.count == 1 {
        #expect(rows.isEmpty, "\(name)")
      } else {
        #expect(rows.count == 3 && rows[0].lowerBound == 0, "\(name)")
        #expect(zip(rows, rows.dropFirst()).allSatisfy { $0.upperBound == $1.lowerBound }, "\(name)")
        #expect(rows.allSatisfy { $0.count == parts[0].shape[0] }, "\(name)")
      }
    }
  }

  /// Where the original has convolutions of single pixels and diffusers has matrices.
  @Test func theAutoencodersAttentionIsConvolutional() throws {
    let folder = try folder("sd15")
    let shapes = try folder.specifications(of: .vae).map { folder.layout.place(of: $0, in: .vae) }
    let query = try #require(shapes.first { $0.name == "first_stage_model.encoder.mid.attn_1.q.weight" })
    #expect(query.shape == [512, 512, 1, 1])
    #expect(
      try folder.specifications(of: .unet).allSatisfy { folder.layout.place(of: $0, in: .unet).shape == $0.shape })
  }

  @Test func namesOfAveragesHaveNoDots() {
    #expect(
      SingleFileLayout.averageName("model.diffusion_model.input_blocks.0.0.weight")
        == "model_ema.diffusion_modelinput_blocks00weight")
  }
}
