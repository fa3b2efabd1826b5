/// Free parts of an address range. Neighbours are joined; a request takes the smallest part that is large enough.
struct FreeSpans {
  private var spans: [(start: Int, count: Int)] = []

  /// The bytes in all parts.
  var byteCount: Int { spans.reduce(0) { $0 + $1.count } }

  /// Takes `count` bytes from the smallest part that has them.
  mutating func take(_ count: Int) -> Int? {
    var best: Int?
    for (index, span) in spans.enumerated() where span.count >= count {
      if best == nil || span.count < spans[best!].count { best = index }
    }
    guard let best else { return nil }
    let start = spans[best].start
    if spans[best].count == count {
      spans.remove(at: best)
    } else {
      spans[best] = (start + count, spans[best].count - count)
    }
    return start
  }

  /// Gives bytes back.
  mutating func insert(_ start: Int, _ count: Int) {
    var low = 0
    var high = spans.count
    while low < high {
      let middle = (low + high) / 2
      if spans[middle].start < start { low = middle + 1 } else { high = middle }
    }
    var span = (start: start, count: count)
    if low < spans.count, start + count == spans[low].start {
      span.count += spans[low].count
      spans.remove(at: low)
    }
    if low > 0, spans[low - 1].start + spans[low - 1].count == start {
      spans[low - 1].count += span.count
    } else {
      spans.insert(span, at: low)
    }
  }

  /// Takes the part that ends at `end`, if there is one, and says where it started.
  mutating func takeLast(endingAt end: Int) -> Int? {
    guard let last = spans.last, last.start + last.count == end else { return nil }
    spans.removeLast()
    return last.start
  }

  /// The parts, the largest first.
  var largestFirst: [(start: Int, count: Int)] { spans.sorted { $0.count > $1.count } }

  /// Takes everything.
  mutating func takeAll() -> [(start: Int, count: Int)] {
    defer { spans = [] }
    return spans
  }
}
