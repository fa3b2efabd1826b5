/// The byte-pair encoding of CLIP: words as bytes, bytes as symbols, symbols merged in the order of training.
///
/// R. Sennrich, B. Haddow, A. Birch, "Neural Machine Translation of Rare Words with Subword Units", ACL 2016; the
/// bytes and the mark `</w>` at the end of a word as in A. Radford et al., "Learning Transferable Visual Models From
/// Natural Language Supervision", ICML 2021.
struct BytePairEncoding: Sendable {
  /// What marks the last symbol of a word.
  static let endOfWord = "</w>"

  /// The id of every symbol.
  let vocabulary: [String: Int]

  /// The pairs of symbols to join, the earliest learnt first.
  let merges: [Merge]

  /// Two symbols that become one.
  struct Merge: Sendable, Equatable {
    var first: String
    var second: String
  }

  private struct Pair: Hashable {
    var first: Int
    var second: Int
  }

  private let ranks: [Pair: (rank: Int, merged: Int)]
  private let byteIDs: [Int?]
  private let finalByteIDs: [Int?]

  /// Prepares the encoding; throws when a merge names a symbol that the vocabulary lacks.
  init(vocabulary: [String: Int], merges: [Merge]) throws(TokenizerError) {
    self.vocabulary = vocabulary
    self.merges = merges
    var ranks: [Pair: (rank: Int, merged: Int)] = [:]
    ranks.reserveCapacity(merges.count)
    for (rank, merge) in merges.enumerated() {
      func id(_ symbol: String) throws(TokenizerError) -> Int {
        if let id = vocabulary[symbol] { return id }
        throw .unknownSymbol(symbol: symbol, merge: "\(merge.first) \(merge.second)")
      }
      let pair = Pair(first: try id(merge.first), second: try id(merge.second))
      ranks[pair] = (rank, try id(merge.first + merge.second))
    }
    self.ranks = ranks
    byteIDs = ByteAlphabet.symbols.map { vocabulary[$0] }
    finalByteIDs = ByteAlphabet.symbols.map { vocabulary[$0 + Self.endOfWord] }
  }

  /// The ids of one word; a byte without a symbol becomes `unknown`.
  func encode(_ word: some Collection<UInt8>, unknown: Int) -> [Int] {
    var ids = word.map { byteIDs[Int($0)] ?? unknown }
    guard let last = word.reversed().first else { return [] }
    ids[ids.count - 1] = finalByteIDs[Int(last)] ?? unknown
    var joins = ids.indices.dropLast().map { join(ids, at: $0) }
    while let best = joins.indices.min(by: { joins[$0].rank < joins[$1].rank }), joins[best].rank != .max {
      ids[best] = joins[best].merged
      ids.remove(at: best + 1)
      joins.remove(at: best)
      if best > 0 { joins[best - 1] = join(ids, at: best - 1) }
      if best < joins.count { joins[best] = join(ids, at: best) }
    }
    return ids
  }

  /// What joining symbol `index` with its neighbour gives; the rank `.max` says that they are not joined.
  private func join(_ ids: [Int], at index: Int) -> (rank: Int, merged: Int) {
    ranks[Pair(first: ids[index], second: ids[index + 1])] ?? (.max, 0)
  }
}

/// One visible character for every byte, so that arbitrary bytes can stand in text files (GPT-2's table).
///
/// Printable Latin-1 characters stand for themselves; the other bytes take the code points from 256 on, in order.
enum ByteAlphabet {
  /// The symbol of each byte.
  static let symbols: [String] = {
    var next: UInt32 = 256
    return (0...UInt8.max).map { byte in
      switch byte {
      case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF:
        return String(Unicode.Scalar(byte))
      default:
        defer { next += 1 }
        return Unicode.Scalar(next).map(String.init) ?? ""
      }
    }
  }()
}
