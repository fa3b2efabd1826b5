/// Rows of pictures, each under its caption.
struct DemonstrationPicture {
  let rows: [[Image]]
  let captions: [Image]

  private static let side = 192
  private static let gap = 8
  private static let margin = 16

  /// The whole picture.
  func draw() -> Image {
    let (side, gap, margin) = (Self.side, Self.gap, Self.margin)
    let columns = rows.map(\.count).max() ?? 0
    let widest = max(columns * (side + gap) - gap, captions.map(\.width).max() ?? 0)
    let height = captions.reduce(0) { $0 + $1.height } + rows.count * (side + margin) + margin
    var canvas = Image(width: widest + 2 * margin, height: height, color: .white)
    var y = margin
    for (row, caption) in zip(rows, captions) {
      canvas.paste(caption, x: margin, y: y)
      y += caption.height
      for (column, picture) in row.enumerated() {
        let enlarged = picture.resized(width: side, height: side, filter: .lanczos)
        canvas.paste(enlarged, x: margin + column * (side + gap), y: y)
      }
      y += side + margin
    }
    return canvas
  }
}
