/// The version of the package.
public enum DreamBoothVersion {
  /// As in the tag of the release.
  public static let current = "1.0.0"
}
