import ArgumentParser
import DreamBooth
import Foundation

/// `dbtool devices`.
struct DevicesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "devices", abstract: "List what there is to compute on, and what is missing for GPUs.")

  func run() throws {
    let processor = try CPUBackend(environment: ProcessInfo.processInfo.environment)
    let levels = InstructionSet.available.map(\.rawValue).joined(separator: ", ")
    print("cpu     \(processor.threadCount) threads, instruction set \(processor.instructionSet) of \(levels)")
    print("        OpenBLAS \(processor.openBLASProcessor)")
    let installation = CUDAInstallation()
    for device in installation.devices {
      let capability = "\(device.capability / 10).\(device.capability % 10)"
      let memory = (Double(device.memory) / 0x1p30).formatted(.number.precision(.fractionLength(1)))
      let isTooOld = device.capability < CUDADevice.oldestCapability
      print(
        "cuda:\(device.index)  \(device.name), \(memory) GiB, compute capability \(capability)"
          + (isTooOld ? " (too old: 7.5 or later is needed)" : ""))
    }
    print("\nCUDA libraries")
    for component in installation.components {
      switch component.version {
      case .success(let version): print("  \(component.name): \(version)")
      case .failure(let error): print("  \(component.name): \(error)")
      }
    }
  }
}
