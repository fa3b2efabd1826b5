import Foundation
import Glibc

/// A shared library opened while the program runs, so that the program starts where the library is not installed.
public struct DynamicLibrary: Sendable {
  /// The environment variable with folders, divided by colons, that are searched first.
  public static let searchPathVariable = "DREAMBOOTH_CUDA_LIBRARIES"

  /// The file that was found, as the loader was asked for it.
  public let path: String
  private let handle: UInt

  /// Opens the first library that is found.
  ///
  /// Folders of `DREAMBOOTH_CUDA_LIBRARIES` come first, then whatever the dynamic loader finds, then the CUDA toolkit's
  /// usual place.
  ///
  /// - Parameters:
  ///   - names: file names, the preferred first.
  ///   - hint: how to get the library, for the error.
  ///   - isGlobal: whether libraries opened later see its symbols.
  /// - Throws: `CUDALibraryError.missingLibrary`.
  public init(names: [String], hint: String, isGlobal: Bool = false) throws(CUDALibraryError) {
    let flags = RTLD_NOW | (isGlobal ? RTLD_GLOBAL : RTLD_LOCAL)
    for name in names {
      for candidate in Self.candidates(name) {
        guard let handle = dlopen(candidate, flags) else { continue }
        path = candidate
        self.handle = UInt(bitPattern: handle)
        return
      }
    }
    throw .missingLibrary(name: names[0], hint: hint)
  }

  /// The function `name`, which must have the C type `Function`.
  ///
  /// - Throws: `CUDALibraryError.missingFunction`.
  func symbol<Function>(_ name: String, as type: Function.Type = Function.self) throws(CUDALibraryError) -> Function {
    guard let address = dlsym(UnsafeMutableRawPointer(bitPattern: handle), name) else {
      throw .missingFunction(name: name, library: path)
    }
    return unsafeBitCast(address, to: type)
  }

  /// The folder the library came from, if it was not left to the dynamic loader.
  var folder: String? { path.contains("/") ? (path as NSString).deletingLastPathComponent : nil }

  private static func candidates(_ name: String) -> [String] {
    let environment = ProcessInfo.processInfo.environment
    let first = (environment[searchPathVariable] ?? "").split(separator: ":").map { "\($0)/\(name)" }
    let toolkit = [environment["CUDA_HOME"], "/usr/local/cuda"].compactMap { $0 }.map { "\($0)/lib64/\(name)" }
    return first + [name] + toolkit
  }
}
