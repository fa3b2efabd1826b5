/// A device that can compute: every primitive of the project on one page.
///
/// Callers have checked shapes, types and devices and have allocated the outputs; a backend only computes. Calls are
/// carried out in the order in which they are made. There are no default implementations, so that a missing kernel is
/// a compile-time error and never a slow path. Activations are [batch, height, width, channels] throughout.
public protocol Backend: AnyObject, Sendable {
  // MARK: Memory and time

  /// A name for people, such as `cpu`.
  var name: String { get }
  /// The order in which this device wants its convolution weights.
  var convolutionLayout: ConvolutionLayout { get }
  /// The floating-point types in which this device carries out every primitive. All of them can be moved and cast.
  var computeTypes: Set<DType> { get }
  /// What the memory pool holds.
  var memory: MemoryStatistics { get }
  /// Takes a block from the pool. Its contents are undefined.
  func allocate(byteCount: Int) -> MemoryBlock
  /// Gives a block back to the pool.
  func release(_ block: MemoryBlock)
  /// Copies bytes from the host; they may be reused as soon as the call returns.
  func upload(_ bytes: UnsafeRawBufferPointer, into out: Tensor)
  /// Copies bytes to the host after all earlier work is done.
  func download(_ x: Tensor, into bytes: UnsafeMutableRawBufferPointer)
  /// Begins to copy the values that a tensor has after all earlier work; later work may overwrite them.
  func beginDownload(_ x: Tensor) -> any PendingDownload
  /// Waits until all earlier work is done.
  func synchronize()
  /// Takes down the calls that `work` makes, without carrying them out, so that they can be repeated at little cost.
  ///
  /// A replay reads and writes the same memory each time. So `work` leaves its results in tensors that exist before it
  /// runs, takes whatever changes from one replay to the next from such tensors, and neither uploads, downloads nor
  /// waits. What it needs in between stays reserved for as long as the recording lives. A device may have to prepare
  /// for work that is new to it: run it once in the usual way before it is recorded.
  func record(_ work: @escaping () -> Void) -> any RecordedWork

  // MARK: Elementwise

  /// Sets every element.
  func fill(_ value: Float, into out: Tensor)
  /// Converts to a floating-point type, or copies where the types agree.
  func cast(_ x: Tensor, into out: Destination)
  /// Applies a function to every element.
  func unary(_ operation: UnaryOperation, _ x: Tensor, into out: Destination)
  /// Applies a function to pairs of elements, repeating operands as `broadcast` says.
  func binary(_ operation: BinaryOperation, _ a: Tensor, _ b: Tensor, _ broadcast: Broadcast, into out: Destination)
  /// `scale` · x + `shift`.
  func affine(_ x: Tensor, scale: Float, shift: Float, into out: Destination)

  // MARK: Movement

  /// Reorders axes: axis i of the output is axis `permutation[i]` of the input.
  func transpose(_ x: Tensor, _ permutation: [Int], into out: Destination)
  /// Copies blocks at strides; elements of the output outside the blocks are left alone.
  func copyBlocks(_ x: Tensor, _ copy: BlockCopy, into out: Destination)
  /// Enlarges [batch, h, w, channels] to the output's height and width; row y reads input row ⌊y·h/H⌋.
  func upsampleNearest(_ x: Tensor, into out: Tensor)
  /// Sums the gradient over all pixels that read the same input pixel.
  func upsampleNearestBackward(_ gradient: Tensor, into dx: Destination)

  // MARK: Reduction

  /// Sums the middle axis of [outer, count, inner] and multiplies by `scale` before rounding to the output's type.
  func sum(_ x: Tensor, outer: Int, count: Int, inner: Int, scale: Float, into out: Destination)
  /// The mean of (a - b)² over each of `out.count` equal rows, in Float32.
  func meanSquaredError(_ a: Tensor, _ b: Tensor, into out: Destination)
  /// The derivative of `meanSquaredError` by `a`: 2 (a - b) · gradient[row] / rowCount.
  func meanSquaredErrorBackward(_ a: Tensor, _ b: Tensor, _ gradient: Tensor, into da: Destination)

  // MARK: Linear algebra

  /// A matrix product, plus `bias` [n] on every row.
  func matrixProduct(_ a: Tensor, _ b: Tensor, _ product: MatrixProduct, bias: Tensor?, into out: Destination)

  // MARK: Convolution; weights are stored in `convolutionLayout`

  /// Cross-correlation, as PyTorch's conv2d, plus `bias` [out channels].
  func convolution(_ x: Tensor, _ weight: Tensor, bias: Tensor?, _ spec: Convolution2D, into out: Tensor)
  /// The derivative by the input.
  func convolutionBackwardInput(_ gradient: Tensor, _ weight: Tensor, _ spec: Convolution2D, into dx: Destination)
  /// The derivative by the weights.
  func convolutionBackwardWeight(_ x: Tensor, _ gradient: Tensor, _ spec: Convolution2D, into dw: Destination)

  // MARK: Normalisation; `statistics` holds [mean, 1/σ] of every group or row, in Float32

  /// Normalises groups of channels of each picture; see `GroupNormalization`.
  func groupNorm(
    _ x: Tensor, gamma: Tensor, beta: Tensor, _ spec: GroupNormalization, into out: Tensor, statistics: Tensor)
  /// The derivatives of `groupNorm`, each computed only where it is wanted.
  func groupNormBackward(
    _ x: Tensor, _ gradient: Tensor, gamma: Tensor, beta: Tensor, statistics: Tensor, _ spec: GroupNormalization,
    dx: Destination?, dgamma: Destination?, dbeta: Destination?)
  /// Normalises rows of the last axis.
  func layerNorm(_ x: Tensor, gamma: Tensor, beta: Tensor, epsilon: Float, into out: Tensor, statistics: Tensor)
  /// The derivatives of `layerNorm`, each computed only where it is wanted.
  func layerNormBackward(
    _ x: Tensor, _ gradient: Tensor, gamma: Tensor, statistics: Tensor,
    dx: Destination?, dgamma: Destination?, dbeta: Destination?)

  // MARK: Attention; queries are [batch, queries, heads, headSize], keys and values [batch, keys, heads, headSize]

  /// softmax(scale · QKᵀ) V. `logSumExp` [batch, heads, queries], Float32, is all the backward pass needs besides.
  func attention(_ q: Tensor, _ k: Tensor, _ v: Tensor, _ spec: Attention, into out: Tensor, logSumExp: Tensor)
  /// The derivatives of `attention`, each computed only where it is wanted.
  func attentionBackward(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, out: Tensor, logSumExp: Tensor, _ gradient: Tensor, _ spec: Attention,
    dq: Destination?, dk: Destination?, dv: Destination?)

  // MARK: Gated feed-forward and embedding

  /// [rows, 2n] → [rows, n]: the first half times gelu of the second (Shazeer, 2020).
  func geglu(_ x: Tensor, into out: Tensor)
  /// The derivative of `geglu`.
  func gegluBackward(_ x: Tensor, _ gradient: Tensor, into dx: Destination)
  /// Row `indices[i]` of `table` becomes row i of the output.
  func gather(_ table: Tensor, _ indices: Tensor, into out: Tensor)
  /// Adds row i of the gradient to row `indices[i]`, in the order of i; other rows become or stay as `dtable` says.
  func gatherBackward(_ indices: Tensor, _ gradient: Tensor, into dtable: Destination)

  // MARK: Random numbers; element i depends on the stream, the draw and i alone

  /// Uniform numbers in [0, 1). `draw` is one Int32 on the device, so that a recorded step can be replayed.
  func uniform(_ stream: RandomStream, draw: Tensor, into out: Tensor)
  /// Numbers of the unit normal distribution.
  func normal(_ stream: RandomStream, draw: Tensor, into out: Tensor)

  // MARK: Optimiser, over flat arenas

  /// Σ x², one Float32.
  func sumOfSquares(_ x: Tensor, into out: Destination)
  /// The factor that gradients are read through: the one that brings them down to `maximumNorm`, with the scale of the
  /// loss [1] divided out of it.
  ///
  /// With norm = √`sumOfSquares` / scale it is min(1, maximum / (norm + 1e-6)) / scale, as
  /// torch.nn.utils.clip_grad_norm_ after torch.amp.GradScaler.unscale_. Where `sumOfSquares` is infinite or NaN it is
  /// NaN, which tells `countStep`, `adamW` and `updateScale` to skip the step.
  func clippingFactor(_ sumOfSquares: Tensor, scale: Tensor, maximumNorm: Float, into out: Tensor)
  /// Adds one to the count of steps t, one Int32, and writes 1 - β₁ᵗ and 1 - β₂ᵗ of the new count to the last two of
  /// `rates` [3]. Powers and differences are taken in Float64 and rounded once. Does nothing where `clipping` is NaN.
  func countStep(_ constants: AdamWConstants, clipping: Tensor, steps: Tensor, rates: Tensor)
  /// One AdamW step, as torch.optim.AdamW. `rates` is [learning rate, 1 - β₁ᵗ, 1 - β₂ᵗ]; gradients, of any
  /// floating-point type, are read through `clipping` [1]. Both live on the device, so that a recorded step stays valid.
  ///
  /// Parameters and moments are Float32. `shadow`, of a floating-point type, gets the new parameters rounded from their
  /// Float32 values in the same pass. Parameters may also be BFloat16: then there is no shadow, the step is computed in
  /// Float32 and `rounding` says how its result is rounded. Where `clipping` is NaN nothing is written at all, the shadow
  /// included.
  func adamW(
    _ constants: AdamWConstants, rates: Tensor, clipping: Tensor, gradient: Tensor, parameter: Tensor,
    moment1: Tensor, moment2: Tensor, shadow: Tensor?, rounding: StochasticRounding?)
  /// `adamW` with moments in 8 bits. They are widened, updated in Float32, used for the step as they are then, and get
  /// new scales and the nearest codes.
  func adamWQuantized(
    _ constants: AdamWConstants, rates: Tensor, clipping: Tensor, gradient: Tensor, parameter: Tensor,
    moments: QuantizedMoments, shadow: Tensor?, rounding: StochasticRounding?)
  /// Adapts the scale of the loss, one Float32, to a step, as torch.amp.GradScaler.update.
  ///
  /// Where `clipping` is NaN, the scale is multiplied by `backoffFactor` and `goodSteps`, one Int32, becomes zero.
  /// Elsewhere `goodSteps` grows by one; when it reaches `growthInterval` it becomes zero and the scale is multiplied by
  /// `growthFactor`, unless that would make it infinite.
  func updateScale(_ scaling: LossScaling, clipping: Tensor, scale: Tensor, goodSteps: Tensor)
}
