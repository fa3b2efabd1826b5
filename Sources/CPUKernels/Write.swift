/// Whether a kernel replaces what its output holds or adds to it.
public enum Write: Sendable, Hashable, CaseIterable {
  case overwrite, accumulate
}
