/// What random numbers of a run are for.
///
/// Each purpose has a stream of its own whose draw number is the batch or the epoch, so every number is a pure function
/// of the seed and the position in the run. That is what makes a resumed run equal to an uninterrupted one.
enum TrainingStream: UInt32, Sendable, CaseIterable {
  /// The noise that is added to latents; one draw for each batch.
  case noise = 0x6e6f_6973  // "nois"
  /// The offset of each channel of that noise; one draw for each batch.
  case noiseOffset = 0x6f66_6673  // "offs"
  /// The timesteps; one draw for each batch.
  case timesteps = 0x7469_6d65  // "time"
  /// The sample from the autoencoder's posterior; one draw for each batch.
  case posterior = 0x706f_7374  // "post"
  /// Where pictures are cropped; one draw for each batch.
  case crop = 0x6372_6f70  // "crop"
  /// Which pictures are mirrored; one draw for each batch.
  case flip = 0x666c_6970  // "flip"
  /// The order of the instance pictures; one draw for each epoch.
  case instanceOrder = 0x696e_7374  // "inst"
  /// The order of the class pictures; one draw for each epoch.
  case classOrder = 0x636c_6173  // "clas"
  /// The noise that class pictures are generated from; one draw for each picture.
  case classNoise = 0x636e_6f69  // "cnoi"

  /// What adapters drop of their input; one draw for each batch.
  case dropout = 0x6472_6f70  // "drop"

  /// The rounding of weights that exist in bf16 alone; one draw for each step.
  case rounding = 0x726f_756e  // "roun"

  /// The numbers of this purpose under a seed.
  func random(seed: UInt64) -> RandomStream { RandomStream(seed: seed, stream: rawValue) }
}
