@_exported import enum CPUKernels.BinaryOperation
@_exported import enum CPUKernels.UnaryOperation
@_exported import enum CPUKernels.Write
