// Files behind a seam, so that a test can make one that is short, slow or broken.
//
// File is for reading by range; many threads may read at once. OutputFile writes a file that
// appears whole or not at all, where the place allows it.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace semblance {

class File {
 public:
  virtual ~File() = default;
  /// For messages: the path, or what stands for it.
  virtual const std::string& name() const = 0;
  virtual std::uint64_t size() const = 0;
  /// Fills dst with the bytes from `offset` on. Throws Error(kCorrupt) when the file ends before,
  /// Error(kDevice) when the device fails. Thread-safe.
  virtual void read(std::uint64_t offset, std::span<std::byte> dst) const = 0;
  /// Tells the system that this range will be read soon. Only a hint.
  virtual void will_need(std::uint64_t offset, std::uint64_t bytes) const;
  /// Tells the system that this range will not be read soon: its page cache may go to others. Only
  /// a hint, and only whole pages are dropped.
  virtual void done_with(std::uint64_t offset, std::uint64_t bytes) const;
  /// About which share of the file lies in memory already, 0 to 1: how fast it will be read. Exact
  /// where the system can tell, else from 64 pages here and there. 1 for a file in memory, 0 where
  /// it cannot be told.
  virtual double cached_share() const;
  /// As read(), but leaves the system's page cache as it is: what lies there is copied from it, all
  /// else comes from the device past it. `staging` begins at a multiple of 4096 and is some of them
  /// long, MiB for full speed; one thread's own. Where this cannot be done it is read().
  virtual void read_past_cache(std::uint64_t offset, std::span<std::byte> dst,
                               std::span<std::byte> staging) const;
};

/// Opens a regular file for reading. Throws Error(kMissing) when it is not there, Error(kDevice)
/// when it cannot be opened, Error(kArgument) when it is a folder or a device.
std::shared_ptr<const File> open_file(const std::filesystem::path& path);

/// cached_share() of all of them together, by their sizes; 1 where there are none.
double cached_share(const std::set<const File*>& files);

/// A File over bytes in memory: folded constants, and tests.
std::shared_ptr<const File> memory_file(std::string name, std::vector<std::byte> bytes);

/// The same without a copy: what a client has sent. `bytes` must outlive the file.
std::shared_ptr<const File> file_over(std::string name, std::string_view bytes);

/// The whole of a small text or binary file. Throws as open_file does, and Error(kCorrupt) beyond
/// `limit_bytes`.
std::string read_small_file(const std::filesystem::path& path, std::uint64_t limit_bytes);

/// A hidden name in the same folder that no other thread or process takes, for what is to replace
/// `path` in one step. Short, so that it is possible wherever `path` is.
std::filesystem::path name_beside(const std::filesystem::path& path);

/// Whether a file's name has the shape of name_beside()'s. A kill can leave such a file behind.
bool is_name_beside(const std::string& name);

/// Where a file that is written as `path` comes to lie: what its last part leads to while that is a
/// link. The target need not exist; a loop ends somewhere in itself.
std::filesystem::path follow_links(const std::filesystem::path& path);

/// Makes what was created, renamed or removed in a folder last through a power cut. Throws
/// Error(kDevice).
void sync_folder(const std::filesystem::path& folder);

/// Who may read a file that is new: everybody whom the umask allows, or its owner alone.
enum class Readers : std::uint8_t { kAll, kOwner };

/// Writes a file. It appears whole or not at all: under its own name only after commit(). Links are
/// followed. A file that is there is replaced, and keeps its mode and, where the system allows it,
/// its owner and group.
///
/// What cannot be replaced is written into, from the first write() on: a device, a pipe, and a file
/// that is a mount of its own or lies in a folder in which nothing may be renamed. A pipe must have
/// a reader within five seconds.
class OutputFile {
 public:
  /// Prepares to write `path`, and changes nothing there. Throws Error(kDevice) or Error(kMissing)
  /// when it cannot be written or its folder is not there, Error(kArgument) when path is a folder
  /// or a socket.
  explicit OutputFile(std::filesystem::path path, Readers readers = Readers::kAll);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  /// Appends. Throws Error(kDevice) with the system's reason (a full disk, say).
  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);
  /// Makes the file appear, replacing an older one. Throws Error(kDevice).
  void commit();

 private:
  void open_staged(mode_t mode);
  void open_in_place();
  void replace();

  std::filesystem::path path_;       // as it was named: for messages
  std::filesystem::path place_;      // links followed
  std::filesystem::path temporary_;  // empty where the file has no name before commit
  bool in_place_ = false;            // written into, and opened only then
  int descriptor_ = -1;
};

/// Removes what every living OutputFile has not committed, and holds back commits from then on: the
/// last act of a program that must end at once. Thread-safe, not for signal handlers.
void remove_unfinished_outputs() noexcept;

}  // namespace semblance
