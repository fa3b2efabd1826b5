import Foundation

/// Why numbers cannot be traced.
public enum TraceError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The file has neither latents nor pixels, or both.
  case latentsOrPixels(path: String)
  /// A tensor has other extents than the model and the other tensors ask for.
  case wrongShape(path: String, tensor: String, found: Shape, expected: String)
  /// A tensor holds a number that means nothing to the model.
  case outOfRange(path: String, tensor: String, value: Int, range: Range<Int>)
  /// A batch that is to be split into an instance half and a class half has an odd size.
  case oddBatch(path: String, count: Int)

  /// One sentence that names the file and the tensor.
  public var description: String {
    switch self {
    case .latentsOrPixels(let path):
      "\(path): needs either a tensor 'latents' or a tensor 'pixel_values'"
    case .wrongShape(let path, let tensor, let found, let expected):
      "\(path): '\(tensor)' is \(found), but must be \(expected)"
    case .outOfRange(let path, let tensor, let value, let range):
      "\(path): '\(tensor)' holds \(value), but the model knows \(range.lowerBound) to \(range.upperBound - 1)"
    case .oddBatch(let path, let count):
      "\(path): a batch of \(count) cannot be split into an instance half and a class half"
    }
  }
}

/// The numbers of one training step, read from a file in PyTorch's layout.
struct TraceInputs {
  /// Latents or pixels, [batch, height, width, channels].
  let start: Tensor
  /// Whether `start` holds pixels.
  let isPixels: Bool
  /// [batch, height, width, channels].
  let noise: Tensor
  /// Int32, [batch].
  let timesteps: Tensor
  /// The token ids of each prompt.
  let ids: [[Int32]]

  /// Reads `latents` or `pixel_values`, `noise`, `timesteps` and `input_ids`, and checks that they go together.
  ///
  /// - Throws: `TraceError`, `SafetensorsError`, `TensorFileError` or `FileError`.
  init(
    _ url: URL, for folder: ModelFolder, newTokenCount: Int, timestepCount: Int, isSplit: Bool, on backend: any Backend
  ) throws {
    let file = try SafetensorsFile(url)
    let autoencoder = folder.autoencoderConfiguration
    func requireShape(_ name: String, _ expected: String, _ isRight: (Shape) -> Bool) throws -> Shape {
      let shape = try file.entry(name).shape
      guard isRight(shape) else {
        throw TraceError.wrongShape(path: file.path, tensor: name, found: shape, expected: expected)
      }
      return shape
    }
    func picture(_ name: String, channels: Int) throws -> Tensor {
      let shape = try requireShape(name, "[batch, \(channels), height, width]") {
        $0.rank == 4 && $0[1] == channels && $0.count > 0
      }
      return Tensor(try file.floats(name), shape, on: backend).channelsLast()
    }
    func indices(_ name: String, _ range: Range<Int>) throws -> [Int32] {
      let values = try file.int32s(name)
      if let wrong = values.first(where: { !range.contains(Int($0)) }) {
        throw TraceError.outOfRange(path: file.path, tensor: name, value: Int(wrong), range: range)
      }
      return values
    }

    isPixels = file.entries["pixel_values"] != nil
    guard isPixels != (file.entries["latents"] != nil) else { throw TraceError.latentsOrPixels(path: file.path) }
    noise = try picture("noise", channels: autoencoder.latentChannels)
    let (batch, height, width) = (noise.shape[0], noise.shape[1], noise.shape[2])
    if isSplit && !batch.isMultiple(of: 2) { throw TraceError.oddBatch(path: file.path, count: batch) }
    let factor = isPixels ? autoencoder.downFactor : 1
    let name = isPixels ? "pixel_values" : "latents"
    let channels = isPixels ? autoencoder.inputChannels : autoencoder.latentChannels
    let expected: Shape = [batch, channels, height * factor, width * factor]
    _ = try requireShape(name, "\(expected), to go with the noise") { $0 == expected }
    start = try picture(name, channels: channels)

    let times = try requireShape("timesteps", "[\(batch)]") { $0 == [batch] }
    timesteps = Tensor(try indices("timesteps", 0..<timestepCount), times, on: backend)
    let longest = folder.textConfiguration.maximumLength
    let tokens = try requireShape("input_ids", "[\(batch), at most \(longest)]") {
      $0.rank == 2 && $0[0] == batch && (1...longest).contains($0[1])
    }
    let flat = try indices("input_ids", 0..<folder.textConfiguration.vocabularySize + newTokenCount)
    ids = (0..<batch).map { Array(flat[$0 * tokens[1]..<($0 + 1) * tokens[1]]) }
  }
}
