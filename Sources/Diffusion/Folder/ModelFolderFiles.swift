import Foundation

extension ModelFolder {
  /// The bytes of the parts that are copied.
  ///
  /// - Throws: `FileError` where such a part cannot be read.
  package func carriedByteCount() throws -> Int {
    try carriedParts.flatMap { part in try url.appending(path: part).files().map { "\(part)/\($0)" } }
      .reduce(0) { bytes, file in
        let values = try url.appending(path: file).resolvingSymlinksInPath().resourceValues(forKeys: [.fileSizeKey])
        return bytes + (values.fileSize ?? 0)
      }
  }

  /// The paths of all files that this model is made of when it is saved, inside its folder.
  ///
  /// - Throws: `FileError` where a part that is copied cannot be read.
  package func savedFiles() throws -> Set<String> {
    let parts = ModelPart.allCases.flatMap { [$0.configurationFile, $0.weightsFile] }
    let tokenizer = ModelFolderContents.tokenizerFiles.map { "\(Self.tokenizerFolder)/\($0)" }
    let carried = try carriedParts.flatMap { part in
      try url.appending(path: part).files().map { "\(part)/\($0)" }
    }
    return Set([Self.indexFile, Self.schedulerFile] + parts + tokenizer + carried)
  }
}
