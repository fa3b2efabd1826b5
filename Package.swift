// swift-tools-version: 6.2
import PackageDescription

/// Unsafe memory access stays below these targets: the compiler proves it.
let safe: [SwiftSetting] = [.strictMemorySafety(), .treatAllWarnings(as: .error)]
let plain: [SwiftSetting] = [.treatAllWarnings(as: .error)]
/// The CPU's kernels are compiled once for each instruction set, from one source, and optimised in debug builds too. The
/// square root of a vector exists in the compiler's own module only.
///
/// A package that depends on this one by version may build targets with such flags only because this manifest is of
/// version 6.2 or later of the tools.
func kernels(_ name: String, _ level: String, _ flags: [String] = []) -> Target {
  .target(
    name: name, dependencies: ["CPUKernels"],
    swiftSettings: plain + [
      .define(level), .enableExperimentalFeature("BuiltinModule"), .unsafeFlags(["-Ounchecked"] + flags),
    ])
}
let baselineKernels = kernels("CPUKernelsBaseline", "BASELINE")
#if arch(x86_64)
  let kernelTargets = [
    baselineKernels,
    kernels("CPUKernelsV3", "V3", ["-Xcc", "-march=x86-64-v3"]),
    kernels("CPUKernelsV4", "V4", ["-Xcc", "-march=x86-64-v4", "-Xcc", "-mprefer-vector-width=512"]),
  ]
#else
  // NEON is part of every arm64 processor. Its later extensions would be further targets, as above.
  let kernelTargets = [baselineKernels]
#endif

let vectorised = plain + [.enableExperimentalFeature("BuiltinModule")]

let package = Package(
  name: "DreamBooth",
  products: [
    .library(name: "Tensor", targets: ["Tensor"]),
    .library(name: "Autograd", targets: ["Autograd"]),
    .library(name: "Diffusion", targets: ["Diffusion"]),
    .library(name: "DreamBooth", targets: ["DreamBooth", "Images"]),
    .executable(name: "dbtool", targets: ["dbtool"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
  ],
  targets: [
    .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
    .systemLibrary(name: "CLinux"),
    .systemLibrary(name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),
    .systemLibrary(name: "CJPEG", pkgConfig: "libjpeg", providers: [.apt(["libjpeg-dev"])]),
    .target(name: "CPUKernels", swiftSettings: plain),
    .target(
      name: "Tensor",
      dependencies: ["CLinux", "COpenBLAS", "CPUKernels"] + kernelTargets.map { .byName(name: $0.name) },
      swiftSettings: vectorised),
    .target(name: "Autograd", dependencies: ["Tensor"], swiftSettings: safe),
    .target(name: "Diffusion", dependencies: ["Autograd", "Images", "Yams"], swiftSettings: safe),
    .target(name: "Images", dependencies: ["Tensor", "CPNG", "CJPEG"], swiftSettings: plain),
    .target(
      name: "DreamBooth",
      dependencies: ["Diffusion", "Images", .product(name: "Logging", package: "swift-log")],
      swiftSettings: safe),
    .executableTarget(
      name: "dbtool",
      dependencies: [
        "DreamBooth", "OperationCatalogue", "Yams",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: safe),
    .target(name: "OperationCatalogue", dependencies: ["Tensor"], swiftSettings: safe),
    .target(name: "TestSupport", dependencies: ["Tensor"], path: "Tests/TestSupport", swiftSettings: plain),
    .executableTarget(
      name: "FileFuzzer",
      dependencies: [
        "Diffusion", "DreamBooth", "Images", "Tensor", "TestSupport",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      path: "Tests/FileFuzzer", swiftSettings: plain),
    .testTarget(name: "FileFuzzerTests", dependencies: ["FileFuzzer"], swiftSettings: plain),
    .testTarget(name: "FixtureTests", dependencies: ["TestSupport"], swiftSettings: plain),
    .testTarget(
      name: "TensorTests", dependencies: ["OperationCatalogue", "Tensor", "TestSupport"], swiftSettings: plain),
    .testTarget(
      name: "AutogradTests", dependencies: ["Autograd", "OperationCatalogue", "TestSupport"], swiftSettings: plain),
    .testTarget(name: "ImagesTests", dependencies: ["Images", "TestSupport"], swiftSettings: plain),
    .testTarget(
      name: "DreamBoothTests",
      dependencies: [
        "DreamBooth", "Images", "OperationCatalogue", "TestSupport", .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: plain),
    .testTarget(
      name: "CommandLineTests", dependencies: ["DreamBooth", "TestSupport", "dbtool"], swiftSettings: plain),
    .testTarget(name: "DiffusionTests", dependencies: ["Diffusion", "Images", "TestSupport"], swiftSettings: plain),
  ] + kernelTargets,
  swiftLanguageModes: [.v6]
)
