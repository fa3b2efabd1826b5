public import CPUKernels

/// The kernels of this module's instruction set.
///
/// Only addresses, counts and vectors appear in these modules. What is generic over other types, such as `Array` and
/// `String`, is compiled once for each module that uses it, and the linker keeps any of the copies: one made for a
/// newer processor could end up in code that runs on all of them.
public enum Kernels: KernelSet {}
