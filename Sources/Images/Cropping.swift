import Tensor

extension Image {
  /// The part of the picture whose top left corner is (`x`, `y`).
  public func cropped(x: Int, y: Int, width: Int, height: Int) -> Image {
    require(
      x >= 0 && y >= 0 && width > 0 && height > 0 && x + width <= self.width && y + height <= self.height,
      "Image.cropped: \(width)x\(height) at (\(x), \(y)) is not inside \(self.width)x\(self.height)")
    var part: [UInt8] = []
    part.reserveCapacity(width * height * 3)
    for row in y..<y + height {
      let start = (row * self.width + x) * 3
      part += pixels[start..<start + width * 3]
    }
    return Image(width: width, height: height, pixels: part)
  }

  /// The middle of the picture, where torchvision's `CenterCrop` finds it: half the margin, ties to even.
  public func centerCropped(width: Int, height: Int) -> Image {
    func offset(_ margin: Int) -> Int { Int((Double(margin) / 2).rounded(.toNearestOrEven)) }
    return cropped(x: offset(self.width - width), y: offset(self.height - height), width: width, height: height)
  }

  /// Puts `image` on top of this picture with its top left corner at (`x`, `y`).
  public mutating func paste(_ image: Image, x: Int, y: Int) {
    require(
      x >= 0 && y >= 0 && x + image.width <= width && y + image.height <= height,
      "Image.paste: \(image.width)x\(image.height) at (\(x), \(y)) is not inside \(width)x\(height)")
    for row in 0..<image.height {
      let from = row * image.width * 3
      let to = ((y + row) * width + x) * 3
      pixels.replaceSubrange(to..<to + image.width * 3, with: image.pixels[from..<from + image.width * 3])
    }
  }

  /// All `images` in rows of `columns`, with `gap` pixels of `background` between and around them.
  ///
  /// Every cell has the size of the largest picture; smaller ones stand in the middle of theirs.
  public static func contactSheet(_ images: [Image], columns: Int, gap: Int = 8, background: Color = .white) -> Image {
    require(!images.isEmpty && columns > 0 && gap >= 0, "Image.contactSheet: no images or no columns")
    let cellWidth = images.map(\.width).max()!
    let cellHeight = images.map(\.height).max()!
    let columns = min(columns, images.count)
    let rows = (images.count + columns - 1) / columns
    var sheet = Image(
      width: gap + columns * (cellWidth + gap), height: gap + rows * (cellHeight + gap), color: background)
    for (index, image) in images.enumerated() {
      let (row, column) = index.quotientAndRemainder(dividingBy: columns)
      sheet.paste(
        image,
        x: gap + column * (cellWidth + gap) + (cellWidth - image.width) / 2,
        y: gap + row * (cellHeight + gap) + (cellHeight - image.height) / 2)
    }
    return sheet
  }
}
