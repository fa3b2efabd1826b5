import Foundation

/// One line that is rewritten in place on a terminal, and becomes a plain line now and then elsewhere.
final class ProgressLine {
  private let terminal: Terminal
  private let interval: TimeInterval
  private var lastWidth = 0
  private var lastPlainLine = Date.distantPast

  /// A line on a terminal.
  ///
  /// - Parameter interval: the least number of seconds between two plain lines.
  init(_ terminal: Terminal = .standardError, interval: TimeInterval = 5) {
    self.terminal = terminal
    self.interval = interval
  }

  /// Shows the present state.
  ///
  /// - Parameter isLast: whether the state is final, and so must be shown.
  func show(_ text: String, isLast: Bool = false) {
    if terminal.isInteractive {
      let padding = String(repeating: " ", count: max(0, lastWidth - text.count))
      terminal.write("\r\(text)\(padding)\(isLast ? "\n" : "")")
      lastWidth = isLast ? 0 : text.count
    } else if isLast || Date().timeIntervalSince(lastPlainLine) >= interval {
      terminal.write("\(text)\n")
      lastPlainLine = Date()
    }
  }

  /// Writes a line of its own above the live one.
  func note(_ text: String) {
    if terminal.isInteractive && lastWidth > 0 {
      terminal.write("\r\(String(repeating: " ", count: lastWidth))\r")
      lastWidth = 0
    }
    terminal.write("\(text)\n")
  }
}
