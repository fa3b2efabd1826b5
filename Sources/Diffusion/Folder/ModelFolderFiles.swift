extension ModelFolder {
  /// The paths of all files that a saved model is made of, inside its folder.
  package static var savedFiles: Set<String> {
    let parts = ModelPart.allCases.flatMap { [$0.configurationFile, $0.weightsFile] }
    let tokenizer = ModelFolderContents.tokenizerFiles.map { "\(tokenizerFolder)/\($0)" }
    return Set([indexFile, schedulerFile] + parts + tokenizer)
  }
}
