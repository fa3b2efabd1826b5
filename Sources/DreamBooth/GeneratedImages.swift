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

extension GeneratedPictures {
  /// The pictures one by one.
  public func images() -> [Image] {
    (0..<pixels.shape[0]).map { index in
      Image(
        width: pixels.shape[2], height: pixels.shape[1], normalized: pixels.rows(index..<index + 1).floats(),
        layout: .interleaved)
    }
  }
}
