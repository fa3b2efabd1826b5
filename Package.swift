// swift-tools-version: 6.2
import PackageDescription

/// Unsafe memory access stays below these targets: the compiler proves it.
let safe: [SwiftSetting] = [.strictMemorySafety(), .treatAllWarnings(as: .error)]
let plain: [SwiftSetting] = [.treatAllWarnings(as: .error)]
/// Vector square roots exist in the compiler's own module only; SIMD's `squareRoot` works number by number.
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
    .target(name: "Tensor", dependencies: ["CLinux", "COpenBLAS"], swiftSettings: vectorised),
    .target(name: "Autograd", dependencies: ["Tensor"], swiftSettings: safe),
    .target(name: "Diffusion", dependencies: ["Autograd", "Images"], swiftSettings: safe),
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
  ],
  swiftLanguageModes: [.v6]
)
