import Dispatch
import DreamBooth
import Foundation

/// Turns Ctrl-C and a request to terminate into an orderly stop; a second Ctrl-C ends the program at once.
final class Interrupts {
  private let sources: [any DispatchSourceSignal]

  /// Listens until `stopListening`.
  ///
  /// - Parameter promise: what the user is told after the first signal.
  init(_ signal: StopSignal, promise: String) {
    sources = [SIGINT, SIGTERM].map { number in
      Foundation.signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler {
        if signal.isRequested { _exit(128 + number) }
        signal.request()
        Terminal.standardError.write("\n\(promise)\n")
      }
      source.resume()
      return source
    }
  }

  /// Gives the signals back their usual meaning.
  func stopListening() {
    for source in sources { source.cancel() }
    Foundation.signal(SIGINT, SIG_DFL)
    Foundation.signal(SIGTERM, SIG_DFL)
  }
}
