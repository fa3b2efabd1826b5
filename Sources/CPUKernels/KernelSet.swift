/// Everything that a processor computes with vector instructions, as functions of one thread.
///
/// Each instruction set has a module that conforms to it. The modules have the same source, compiled with different
/// flags. Kernels take addresses and counts; who calls them has checked shapes and shares the work out among threads.
public protocol KernelSet:
  AttentionKernels,
  ConversionKernels,
  ConvolutionKernels,
  ElementwiseKernels,
  MeasurementKernels,
  NormalizationKernels,
  OptimizerKernels,
  ProductKernels,
  ReductionKernels,
  WinogradKernels
{}

/// Numbers in the host's memory.
public typealias Floats = UnsafeMutablePointer<Float>

/// Numbers in the host's memory that are only read.
public typealias ConstantFloats = UnsafePointer<Float>

/// Addresses of rows of numbers. Rows may lie anywhere and may be the same: several windows of a convolution look at
/// one pixel, and all windows that leave the picture look at one row of zeros.
public typealias RowPointers = UnsafePointer<UnsafePointer<Float>>
