import CLinux
import Foundation
import Glibc

/// Folders that come into being whole or not at all.
public enum AtomicFolder {
  /// What the names of temporary folders begin with.
  private static let prefix = ".unfinished-"
  /// What stands before the name of a folder that was moved aside, where the file system cannot exchange two names.
  private static let asidePrefix = ".replaced-"

  /// Fills a temporary folder beside `destination` and puts it in the place of whatever stands there.
  ///
  /// - Parameter fill: writes the contents; every file it writes must itself be flushed, as `AtomicFile` does.
  /// - Throws: `FileError`, or what `fill` throws. The destination is then what it was before, unless the disk fails
  ///   after the new folder took its place; it is then the whole new folder, which a power cut may undo.
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
    } catch {
      // The temporary folder goes if it still can; the first error is the one to report.
      _ = try? files.removeItem(at: temporary)
      throw (error as? FileError)?.moved(from: path(temporary), to: target) ?? error
    }
    try replace(destination, with: temporary)
  }

  /// Puts a finished file or folder in the place of whatever stands at `destination`, which is deleted.
  ///
  /// - Parameter new: whole and on the disk, in the same file system.
  /// - Throws: `FileError`. The destination is then what it was before and `new` is gone, unless the disk fails after
  ///   `new` took its place.
  public static func replace(_ destination: URL, with new: URL) throws(FileError) {
    let (new, target) = (path(new), path(destination))
    do {
      try exchange(new, target)
    } catch {
      _ = try? FileManager.default.removeItem(atPath: new)
      throw error
    }
    try flush(path(URL(filePath: target).deletingLastPathComponent()))
    // What was replaced has no value any more. If it cannot be deleted, that is no reason to stop a run whose new folder
    // is safe; `removeRemains` tries again.
    _ = try? FileManager.default.removeItem(atPath: new)
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

  /// Deletes what writes that were killed have left in a folder to which nobody else is writing. What had been moved
  /// aside goes back to its place if nothing has taken it.
  ///
  /// - Throws: `FileError`.
  public static func removeRemains(in parent: URL) throws(FileError) {
    let files = FileManager.default
    do {
      for url in try files.contentsOfDirectory(at: parent, includingPropertiesForKeys: nil) {
        let name = url.lastPathComponent
        if name.hasPrefix(asidePrefix) {
          let place = parent.appending(path: String(name.dropFirst(asidePrefix.count)))
          if files.fileExists(atPath: path(place)) {
            try files.removeItem(at: url)
          } else {
            try files.moveItem(at: url, to: place)
          }
        } else if name.hasPrefix(prefix) && url.pathExtension == "tmp" {
          try files.removeItem(at: url)
        }
      }
    } catch {
      throw FileError(path: path(parent), action: .write, underlying: error)
    }
  }

  /// Gives the new folder the target's name, and what stood there the new folder's or none.
  private static func exchange(_ new: String, _ target: String) throws(FileError) {
    if rename(new, target) == 0 { return }
    let isOccupied = errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR || errno == EISDIR
    guard isOccupied else { throw FileError(path: target, action: .write, code: errno) }
    if renameat2(AT_FDCWD, new, AT_FDCWD, target, UInt32(renameat2_exchange)) == 0 { return }
    // NFS and some file systems in user space cannot exchange two names.
    guard errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP else {
      throw FileError(path: target, action: .write, code: errno)
    }
    try moveAsideAndReplace(new, target)
  }

  /// Does in two steps what the file system cannot do in one. After a crash between them `removeRemains` puts the old
  /// folder back.
  static func moveAsideAndReplace(_ new: String, _ target: String) throws(FileError) {
    let url = URL(filePath: target)
    let aside = path(url.deletingLastPathComponent().appending(path: "\(asidePrefix)\(url.lastPathComponent)"))
    // The target stands, so an older one moved aside has been replaced.
    _ = try? FileManager.default.removeItem(atPath: aside)
    guard rename(target, aside) == 0 else { throw FileError(path: target, action: .write, code: errno) }
    guard rename(new, target) == 0 else {
      let code = errno
      rename(aside, target)
      throw FileError(path: target, action: .write, code: code)
    }
    _ = try? FileManager.default.removeItem(atPath: aside)
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
