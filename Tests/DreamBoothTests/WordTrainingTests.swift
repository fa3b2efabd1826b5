import Foundation
import TestSupport
import Testing

@testable import DreamBooth

/// Runs that learn new words, alone or together with weights or adapters.
@Suite struct WordTrainingTests {
  private let fixture: TrainingFixture

  init() throws { fixture = try TrainingFixture() }

  private func configuration(output: String = "output", words: [String] = ["<sks>"]) -> TrainingConfiguration {
    var configuration = fixture.configuration(output: output)
    configuration.instancePrompt = "a photo of \(words.joined(separator: " and "))"
    configuration.placeholderToken = words
    configuration.initializerToken = words.map { _ in "dog" }
    return configuration
  }

  private func word(_ path: String) throws -> TextualInversion {
    try TextualInversion(contentsOf: URL(filePath: fixture.path(path)))
  }

  /// The vector of a word of the model's own.
  private func vector(_ word: String) throws -> [Float] {
    let folder = try ModelFolder(TrainingFixture.modelURL)
    return try folder.tokenVectors(folder.loadTokenizer().ids(word))[0]
  }

  @Test func aWordAlone() throws {
    var configuration = configuration()
    configuration.trainUnet = false
    configuration.numVectors = 2
    let file = fixture.path("output/learned_embeds.safetensors")
    #expect(try fixture.run(configuration) == .finished(model: URL(filePath: file)))
    #expect(!fixture.exists("output/model_index.json"))
    let word = try word("output/learned_embeds.safetensors")
    #expect((word.word, word.count) == ("<sks>", 2))
    // Both vectors have moved, by about four steps of the learning rate in each number.
    let initial = try vector("dog")
    let moves = zip(word.vectors, initial + initial).map { abs($0 - $1) }
    #expect(moves.max()! < 1e-2 && moves.allSatisfy { $0 > 0 })
    #expect(word.vectors.prefix(32) != word.vectors.suffix(32))
  }

  @Test func severalWordsTogetherWithAdapters() throws {
    var configuration = configuration(words: ["<sks>", "<hat>"])
    configuration.lora = LoRAConfiguration()
    configuration.trainTextEncoder = true
    #expect(
      try fixture.run(configuration)
        == .finished(model: URL(filePath: configuration.outputDir, directoryHint: .isDirectory)))
    #expect(try word("output/learned_embeds-1.safetensors").word == "<sks>")
    let hat = try word("output/learned_embeds-2.safetensors")
    #expect(hat.word == "<hat>")
    #expect(try hat.vectors != vector("dog"))
    #expect(fixture.exists("output/pytorch_lora_weights.safetensors"))
  }

  /// The model that comes out has its own tokens only; the word is in a file beside it.
  @Test func aWordTogetherWithTheWeights() throws {
    var configuration = configuration()
    configuration.trainTextEncoder = true
    configuration.maxTrainSteps = 2
    configuration.checkpointingSteps = 2
    try fixture.run(configuration)
    let folder = try ModelFolder(URL(filePath: configuration.outputDir))
    #expect(try folder.loadTokenizer().id(of: "<sks>") == nil)
    _ = try TextToImage(folder, on: fixture.backend, words: [word("output/learned_embeds.safetensors")])
    #expect(fixture.exists("output/checkpoint-2/text_encoder/trained.safetensors"))
    #expect(fixture.exists("output/checkpoint-2/learned_embeds.safetensors"))
  }

  @Test func aResumedRunIsAnUninterruptedOne() throws {
    var whole = configuration(output: "whole", words: ["<sks>", "<hat>"])
    fixture.addEverything(&whole)
    whole.trainTextEncoder = false
    whole.lora = LoRAConfiguration()
    let expected = try fixture.expectResumingChangesNothing(whole)
    #expect(expected.keys.contains("learned_embeds-2.safetensors"))
  }

  @Test func theForecastCoversARealRun() throws {
    var configuration = configuration()
    configuration.trainUnet = false
    try fixture.expectForecastCoversARun(configuration)
  }

  @Test func optionsThatMakeNoWordAreRefused() throws {
    let mistakes: [(TrainingConfiguration.CodingKeys, (inout TrainingConfiguration) -> Void)] = [
      (.initializerToken, { $0.initializerToken = nil }),
      (.initializerToken, { $0.initializerToken = ["dog", "cat"] }),
      (.initializerToken, { $0.placeholderToken = nil }), (.placeholderToken, { $0.instancePrompt = "a dog" }),
      (.numVectors, { $0.numVectors = 0 }), (.numVectors, { $0.numVectors = 76 }),
      (
        .placeholderToken,
        {
          $0.placeholderToken = ["<sks>", "<SKS>"]
          $0.initializerToken = ["dog", "dog"]
        }
      ),
      (
        .trainUnet,
        {
          $0.placeholderToken = nil
          $0.initializerToken = nil
          $0.trainUnet = false
        }
      ),
    ]
    for (option, mistake) in mistakes {
      var wrong = configuration()
      mistake(&wrong)
      #expect(throws: TrainingOptionError.self) { try wrong.validate() }
      #expect { try wrong.validate() } throws: { ($0 as? TrainingOptionError)?.option == option }
    }
    var twoTokens = configuration()
    twoTokens.initializerToken = ["photo of"]
    #expect { try fixture.run(twoTokens) } throws: { ($0 as? TrainingOptionError)?.option == .initializerToken }
  }
}
