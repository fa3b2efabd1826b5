extension TextToImage {
  /// Makes pictures, or `nil` if a stop is asked for meanwhile.
  func pictures(
    _ request: TextToImageRequest, _ scheduler: any Scheduler, unless stop: StopSignal,
    progress: (TextToImageProgress) -> Void = { _ in }
  ) throws -> [Image]? {
    struct Stopped: Error {}
    do {
      return try self(request, scheduler: scheduler) { step in
        if stop.isRequested { throw Stopped() }
        progress(step)
      }.images()
    } catch is Stopped {
      return nil
    }
  }
}
