import Foundation
import Testing

@testable import Tensor

/// NVIDIA's compiler needs no card, so every kernel can be checked on any machine. `Scripts/test` installs it.
@Suite struct KernelCompilationTests {
  /// Ten times the compute capabilities of Turing and Hopper, the ends of the range. They get every variant.
  private static let ends = [75, 90]
  /// Those of the cards in between. What a variant needs of a card, its whole family needs: one variant of each will do.
  private static let between = [80, 86, 89]

  /// One run of the compiler.
  private struct Compilation: Sendable {
    let source: KernelSource
    let macros: [KernelMacro]
    let capability: Int

    /// What is wrong with the kernels, or `nil`.
    func complaint(of compiler: CompilerLibrary) -> String? {
      do throws(CUDALibraryError) {
        let code = try compiler.compile(source.code(macros), name: source.name, capability: capability)
        return code.isEmpty ? "no code" : nil
      } catch {
        let definitions = macros.map { "\($0.name)=\($0.value)" }.joined(separator: ", ")
        return "\(source.name) with \(definitions): \(error)"
      }
    }
  }

  private static func compilations(of source: KernelSource) -> [Compilation] {
    let all = ends.flatMap { capability in
      source.variants.map { Compilation(source: source, macros: $0, capability: capability) }
    }
    let first = between.flatMap { capability in
      source.variants.prefix(1).map { Compilation(source: source, macros: $0, capability: capability) }
    }
    return (all + first).filter { $0.capability >= source.minimumCapability }
  }

  /// Every variant of every family compiles for the kinds of card that it is for.
  @Test(arguments: KernelSource.all)
  func everyVariantCompiles(_ source: KernelSource) async throws {
    let compiler = try CompilerLibrary.shared.get()
    let compilations = Self.compilations(of: source)
    #expect(!compilations.isEmpty, "\(source.name) is compiled for nothing")
    #expect(Set(source.variants).count == source.variants.count, "\(source.name) lists a variant twice")
    let complaints = await withTaskGroup(of: String?.self) { group in
      for compilation in compilations { group.addTask { compilation.complaint(of: compiler) } }
      return await group.reduce(into: [String]()) { complaints, complaint in
        if let complaint { complaints.append(complaint) }
      }
    }
    for complaint in complaints { Issue.record("\(complaint)") }
  }

  /// A family that is left out of the list would be checked by nobody.
  @Test func everyFamilyIsListed() throws {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../../Sources/Tensor/CUDA")
    let files = try #require(FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil))
    var declared: [String] = []
    for case let file as URL in files where file.pathExtension == "swift" {
      let text = try String(contentsOf: file, encoding: .utf8)
      declared += text.matches(of: /KernelSource\(\s*name: "([^"]+)"/).map { String($0.output.1) }
    }
    #expect(!declared.isEmpty)
    #expect(declared.sorted() == KernelSource.all.map(\.name).sorted())
    #expect(Set(declared).count == declared.count, "families are told apart by their names")
  }
}

extension KernelSource: CustomTestStringConvertible {
  /// The family in the names of tests.
  public var testDescription: String { name }
}
