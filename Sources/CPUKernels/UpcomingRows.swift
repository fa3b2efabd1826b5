/// Rows of numbers that will be read soon. A kernel that has arithmetic to do asks memory for them, share by share.
public struct UpcomingRows {
  /// Where the first of them begins; nothing where there are none.
  public let start: ConstantFloats?
  /// The distance between rows.
  public let stride: Int
  /// The number of rows.
  public let count: Int
  /// The numbers in each row.
  public let length: Int

  /// `count` rows of `length` numbers.
  public init(_ start: ConstantFloats?, stride: Int, count: Int, length: Int) {
    (self.start, self.stride, self.count, self.length) = (start, stride, count, length)
  }

  /// No rows.
  public static var none: UpcomingRows {
    UpcomingRows(nil, stride: 0, count: 0, length: 0)
  }
}
