import Foundation
import Synchronization

/// The kernels that have been compiled and loaded for one device.
///
/// Machine code is kept on disk under `$XDG_CACHE_HOME/dreambooth-swift/kernels`, named by a hash of everything it
/// depends on, so each kernel is compiled once for each machine.
final class KernelLibrary: Sendable {
  private struct ModuleKey: Hashable {
    let source: KernelSource
    let macros: [KernelMacro]
  }

  private struct State {
    var modules: [ModuleKey: UInt] = [:]
    var functions: [Kernel: UInt] = [:]
  }

  private let driver: DriverLibrary
  private let compiler: CompilerLibrary
  private let capability: Int
  private let state = Mutex(State())

  init(_ driver: DriverLibrary, _ compiler: CompilerLibrary, capability: Int) {
    self.driver = driver
    self.compiler = compiler
    self.capability = min(capability, compiler.newestCapability)
  }

  /// The handle of a kernel, compiled and loaded where that has not been done.
  func function(_ kernel: Kernel) -> UInt {
    state.withLock { state in
      if let known = state.functions[kernel] { return known }
      let module = module(ModuleKey(source: kernel.source, macros: kernel.macros), &state)
      var function: UInt = 0
      driver.check(driver.function(&function, module, kernel.function), "finding the kernel \(kernel.function)")
      state.functions[kernel] = function
      return function
    }
  }

  private func module(_ key: ModuleKey, _ state: inout sending State) -> UInt {
    if let known = state.modules[key] { return known }
    require(
      key.source.variants.contains(key.macros), "KernelLibrary: \(key.macros) is no variant of \(key.source.name)")
    let module = load(key.source.code(key.macros), name: key.source.name)
    state.modules[key] = module
    return module
  }

  /// Loads from the cache, or compiles and fills the cache.
  private func load(_ text: String, name: String) -> UInt {
    var module: UInt = 0
    let cached = Self.cacheFile("\(name)-sm\(capability)-\(Self.hash(text + compiler.version))")
    if let cached, let code = try? Data(contentsOf: cached),
      code.withUnsafeBytes({ bytes in bytes.baseAddress.map { driver.loadModule(&module, $0) } }) == 0
    {
      return module
    }
    do {
      let code = try compiler.compile(text, name: name, capability: capability)
      driver.check(code.withUnsafeBytes { driver.loadModule(&module, $0.baseAddress!) }, "loading the \(name) kernels")
      // A full disk or a read-only home costs time at the next start and nothing else.
      if let cached { try? AtomicFile.write(code, to: cached) }
    } catch {
      fatalError("CUDA: \(error)")
    }
    return module
  }

  private static func cacheFile(_ name: String) -> URL? {
    let environment = ProcessInfo.processInfo.environment
    let root =
      environment["XDG_CACHE_HOME"].map { URL(filePath: $0, directoryHint: .isDirectory) }
      ?? environment["HOME"].map { URL(filePath: $0, directoryHint: .isDirectory).appending(path: ".cache") }
    guard let folder = root?.appending(path: "dreambooth-swift/kernels") else { return nil }
    guard (try? FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)) != nil else {
      return nil
    }
    return folder.appending(path: "\(name).cubin")
  }

  /// 128 bits of the Fowler-Noll-Vo hash, in hexadecimal.
  private static func hash(_ text: String) -> String {
    var value: UInt128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d
    for byte in text.utf8 { value = (value ^ UInt128(byte)) &* 0x0000_0000_0100_0000_0000_0000_0000_013B }
    return String(value, radix: 16)
  }
}

extension KernelSource {
  /// The whole text of a variant, as the compiler gets it.
  func code(_ macros: [KernelMacro]) -> String {
    let definitions = macros.map { "#define \($0.name) \($0.value)" }
    return ([KernelPrelude.text] + definitions + ["#line 1 \"\(name)\"", text]).joined(separator: "\n")
  }
}
