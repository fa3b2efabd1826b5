/// New words that a run learns, as options describe them.
extension TrainingConfiguration {
  /// The default of learning words alone, which stand more than weights do.
  public static let wordLearningRate = 5e-4

  /// The most vectors that a word can have: no prompt holds more.
  private static let greatestVectorCount = 75

  /// Makes sure that each word has a beginning and is seen in training.
  func requireWords() throws(TrainingOptionError) {
    guard let words = placeholderToken else {
      if initializerToken != nil { throw TrainingOptionError(.initializerToken, "goes with --placeholder_token only") }
      if numVectors != nil { throw TrainingOptionError(.numVectors, "goes with --placeholder_token only") }
      return
    }
    let initial = initializerToken ?? []
    guard !words.isEmpty, words.count == initial.count else {
      throw TrainingOptionError(
        .initializerToken,
        "is there \(initial.count) times for \(words.count) new words; give a word to begin with for each of them")
    }
    guard Set(words.map { $0.lowercased() }).count == words.count else {
      throw TrainingOptionError(.placeholderToken, "names the same word twice")
    }
    if let count = numVectors, !(1...Self.greatestVectorCount).contains(count) {
      throw TrainingOptionError(.numVectors, "is \(count) and must be from 1 to \(Self.greatestVectorCount)")
    }
    for word in words where !instancePrompt.lowercased().contains(word.lowercased()) || word.isEmpty {
      throw TrainingOptionError(.placeholderToken, "is '\(word)', which --instance_prompt does not contain")
    }
  }

  /// The words as they begin: all vectors are that of the token to begin with, as in diffusers.
  ///
  /// - Throws: `TrainingOptionError` where a word to begin with is not one token, or what is wrong with the folder.
  func initialWords(of folder: ModelFolder, _ tokenizer: CLIPTokenizer) throws -> [TextualInversion] {
    guard let words = placeholderToken else { return [] }
    let ids = try (initializerToken ?? []).map { initial in
      let ids = tokenizer.ids(initial)
      guard ids.count == 1 else {
        throw TrainingOptionError(
          .initializerToken, "is '\(initial)', which is \(ids.count) tokens; choose a word that is one")
      }
      return ids[0]
    }
    let count = numVectors ?? 1
    return try zip(words, folder.tokenVectors(ids)).map { word, vector in
      TextualInversion(word, count: count, vectors: (0..<count).flatMap { _ in vector })
    }
  }

  /// The vectors of all words, undefined, for a model that is planned.
  func plannedTokens() -> NewTokens? {
    placeholderToken.map {
      NewTokens(ids: Array(0..<$0.count * (numVectors ?? 1)), isTrained: true, from: UndefinedParameters())
    }
  }

  /// Whether the text encoder's states change from step to step.
  var trainsTextStates: Bool { trainTextEncoder || placeholderToken != nil }

  /// Whether a model of its own comes out of a run.
  var trainsOwnWeights: Bool { ModelPart.allCases.contains(where: trainsWeights) }
}

extension [TextualInversion] {
  /// The words as they are trained.
  init(_ parts: [TrainedPart], _ configuration: TrainingConfiguration) {
    let part = parts.first { $0.part == .textEncoder }
    guard let words = configuration.placeholderToken, let store = part?.parameters,
      let table = store.trainable.first(where: { $0.specification.addition == NewTokens.name })
    else {
      self = []
      return
    }
    let vectors = store.pytorch(table).floats()
    let length = vectors.count / words.count
    self = words.enumerated().map { index, word in
      TextualInversion(
        word, count: configuration.numVectors ?? 1, vectors: [Float](vectors[index * length..<(index + 1) * length]))
    }
  }
}
