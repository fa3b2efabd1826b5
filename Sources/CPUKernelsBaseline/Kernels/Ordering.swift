// The standard library's functions of these names are generic: a copy that is not inlined would be shared with other
// modules, whose processors may be older.

/// The smaller of two counts.
@inline(__always)
func min(_ a: Int, _ b: Int) -> Int { a < b ? a : b }

/// The larger of two counts.
@inline(__always)
func max(_ a: Int, _ b: Int) -> Int { a > b ? a : b }
