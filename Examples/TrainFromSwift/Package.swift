// swift-tools-version: 6.2
import PackageDescription

// The address of the DreamBooth repository, with a version tag on it; a package of your own names it right here.
guard let repository = Context.environment["DREAMBOOTH_REPOSITORY"] else {
  fatalError("set DREAMBOOTH_REPOSITORY to the address of the DreamBooth repository")
}

// SwiftPM calls a package by the last part of its address.
let name = String(repository.split(separator: "/").last ?? "").replacing(".git", with: "")

let package = Package(
  name: "TrainFromSwift",
  dependencies: [.package(url: repository, from: "1.0.0")],
  targets: [
    .executableTarget(name: "TrainFromSwift", dependencies: [.product(name: "DreamBooth", package: name)])
  ]
)
