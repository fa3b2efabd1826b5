/// A moment in the work of a device.
public protocol DeviceMoment: AnyObject, Sendable {
  /// The seconds until a later moment of the same device, which is waited for.
  func seconds(until later: any DeviceMoment) -> Double
}

/// A device that can tell when it came to a point of its work, without anybody waiting for it.
public protocol DeviceClock: AnyObject {
  /// The moment at which all earlier work is done.
  func moment() -> any DeviceMoment
}

extension Backend {
  /// The moment at which all earlier work is done, by the device's own clock where it has one.
  public func now() -> any DeviceMoment {
    if let clock = self as? any DeviceClock { return clock.moment() }
    synchronize()
    return HostMoment()
  }

  /// The seconds that each of `count` calls of `work` takes.
  public func seconds<Failure>(
    _ count: Int, _ work: () throws(Failure) -> Void
  ) throws(Failure) -> [Double] {
    var moments = [now()]
    for _ in 0..<count {
      try work()
      moments.append(now())
    }
    return zip(moments, moments.dropFirst()).map { $0.seconds(until: $1) }
  }
}

/// A moment by the clock of the host.
private final class HostMoment: DeviceMoment {
  private let instant = ContinuousClock.now

  func seconds(until later: any DeviceMoment) -> Double {
    guard let later = later as? HostMoment else { fatalError("DeviceMoment: moments of two different clocks") }
    return (later.instant - instant) / .seconds(1)
  }
}
