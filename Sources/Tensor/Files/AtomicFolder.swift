import CLinux
import Foundation
import Glibc

/// Folders that come into being whole or not at all.
public enum AtomicFolder {
  /// What the names of temporary folders begin with.
  private static let prefix = ".unfinished-"

  /// Fills a temporary folder beside `destination` and puts it in the place of whatever stands there.
  ///
  /// - Parameter fill: writes the contents; every file it writes must itself be flushed, as `AtomicFile` does.
  /// - Throws: `FileError`, or what `fill` throws; the destination is then what it was before.
  public static func write(to destination: URL, _ fill: (_ temporary: URL) throws -> Void) throws {
    let target = path(destination)
    let parent = URL(filePath: target).deletingLastPathComponent()
    let name = "\(prefix)\(String(UInt64.random(in: .min ... .max), radix: 16)).tmp"
    let temporary = parent.appending(path: name, directoryHint: .isDirectory)
    let files = FileManager.default
    do {
      try files.createDirectory(at: temporary, withIntermediateDirectories: true)
    } catch {
      throw FileError(path: target, action: .write, underlying: error)
    }
    do {
      try fill(temporary)
      try flushTree(temporary)
      try exchange(path(temporary), target)
    } catch {
      // The temporary folder goes if it still can; the first error is the one to report.
      _ = try? files.removeItem(at: temporary)
      throw error
    }
    try flush(path(parent))
    if files.fileExists(atPath: path(temporary)) { try files.removeItem(at: temporary) }
  }

  /// Makes a folder, and those that it lies in, unless it is there.
  ///
  /// - Throws: `FileError`.
  public static func makeIfMissing(_ folder: URL) throws(FileError) {
    do {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    } catch {
      throw FileError(path: path(folder), action: .write, underlying: error)
    }
  }

  /// Deletes what writes that were killed have left in a folder to which nobody else is writing.
  ///
  /// - Throws: `FileError`.
  public static func removeRemains(in parent: URL) throws(FileError) {
    do {
      for url in try FileManager.default.contentsOfDirectory(at: parent, includingPropertiesForKeys: nil)
      where url.lastPathComponent.hasPrefix(prefix) && url.pathExtension == "tmp" {
        try FileManager.default.removeItem(at: url)
      }
    } catch {
      throw FileError(path: path(parent), action: .write, underlying: error)
    }
  }

  /// Gives the new folder the target's name, and what stood there the new folder's.
  private static func exchange(_ new: String, _ target: String) throws(FileError) {
    if rename(new, target) == 0 { return }
    let isOccupied = errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR
    guard isOccupied, renameat2(AT_FDCWD, new, AT_FDCWD, target, UInt32(renameat2_exchange)) == 0 else {
      throw FileError(path: target, action: .write, code: errno)
    }
  }

  private static func flushTree(_ folder: URL) throws {
    let contents = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
    for url in contents where url.hasDirectoryPath { try flushTree(url) }
    try flush(path(folder))
  }

  /// Forces a folder's list of names to disk.
  private static func flush(_ folder: String) throws(FileError) {
    let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileError(path: folder, action: .write, code: errno) }
    defer { close(descriptor) }
    // Some file systems cannot flush a folder and say so with EINVAL; the names are in place all the same.
    guard fsync(descriptor) == 0 || errno == EINVAL else {
      throw FileError(path: folder, action: .write, code: errno)
    }
  }

  private static func path(_ url: URL) -> String {
    let path = url.standardizedFileURL.path(percentEncoded: false)
    return path.hasSuffix("/") && path.count > 1 ? String(path.dropLast()) : path
  }
}
