import Foundation

/// A range of a target's inputs.
struct Inputs {
  let target: Target
  let seed: UInt64
  let numbers: Range<Int>
  /// What a worker does wrong on purpose, and at which input.
  var fault: (kind: Fault, number: Int)?

  /// Makes an input from one or two of the target's seed files.
  func make(_ number: Int, from files: [SeedFile]) -> (file: SeedFile, bytes: [UInt8]) {
    var generator = SplitMix(seed: seed, number: number)
    let files = files.filter { !$0.isKept }
    let file = files[generator.below(files.count)]
    let other = files[generator.below(files.count)]
    var mutator = Mutator(generator)
    return (file, target.input(from: file.bytes, other.bytes, &mutator))
  }

  func keepFirst(in path: String) throws {
    try Data(make(numbers.lowerBound, from: try target.seeds()).bytes).write(to: URL(filePath: path))
  }
}

/// A well-formed file from which inputs are derived.
struct SeedFile {
  /// Its path inside the folder from which it is read.
  let path: String
  let bytes: [UInt8]
  /// Whether it only goes with other files and is not damaged itself.
  var isKept = false
}

/// Sebastiano Vigna's splitmix64: good enough numbers, and as many sequences as there are inputs.
struct SplitMix {
  private var state: UInt64

  init(seed: UInt64, number: Int) {
    state = seed
    state = next() &+ UInt64(number)
    state = next()
  }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
    return mixed ^ mixed >> 31
  }

  /// A number from 0 to `bound` - 1, or 0 where there is none.
  mutating func below(_ bound: Int) -> Int { bound > 0 ? Int(next() % UInt64(bound)) : 0 }
}
