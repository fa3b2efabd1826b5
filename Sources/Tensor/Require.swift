/// Stops the program with `message` when a caller broke an operation's contract.
///
/// Unlike `precondition`, whose message is lost in optimised builds, this one always says what was wrong and where.
@inlinable
@inline(__always)
public func require(
  _ condition: Bool, _ message: @autoclosure () -> String, file: StaticString = #fileID, line: UInt = #line
) {
  if !condition { fatalError(message(), file: file, line: line) }
}
