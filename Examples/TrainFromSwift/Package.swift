// swift-tools-version: 6.2
import PackageDescription

// A package of your own names the repository's address here. The environment variable lets the tests put a tagged
// clone of this very checkout in its place.
let repository = Context.environment["DREAMBOOTH_REPOSITORY"] ?? "file://\(Context.packageDirectory)/../.."

let package = Package(
  name: "TrainFromSwift",
  dependencies: [.package(url: repository, from: "1.0.0")],
  targets: [
    .executableTarget(
      name: "TrainFromSwift", dependencies: [.product(name: "DreamBooth", package: "dreambooth")])
  ]
)
