// Files behind an interface, so that a test can supply one that is short, slow or broken.
//
// File reads by range; many threads may read at once. OutputFile writes a file that appears whole
// or not at all, where the file system allows it.
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
  /// For messages: the path, or a description.
  virtual const std::string& name() const = 0;
  virtual std::uint64_t size() const = 0;
  /// Fills dst with the bytes from `offset` on. Throws Error(kCorrupt) if the file is too short,
  /// Error(kDevice) if the device fails. Thread-safe.
  virtual void read(std::uint64_t offset, std::span<std::byte> dst) const = 0;
  /// Tells the system that this range will be read soon. Only a hint.
  virtual void will_need(std::uint64_t offset, std::uint64_t bytes) const;
  /// Tells the system that this range will not be read again soon, so its page cache may be
  /// dropped. Only a hint, and only for whole pages.
  virtual void done_with(std::uint64_t offset, std::uint64_t bytes) const;
  /// The share of the file that is already in memory, 0 to 1, which determines how fast it can be
  /// read. Exact if the system can tell, else estimated from 64 pages. 1 for a file in memory, 0 if
  /// unknown.
  virtual double cached_share() const;
  /// Like read(), but does not change the system's page cache: cached pages are copied from it,
  /// others are read directly from the device. The address and size of `staging` are multiples of
  /// 4096; it should be MiB long for full speed and belongs to one thread. Falls back to read().
  virtual void read_past_cache(std::uint64_t offset, std::span<std::byte> dst,
                               std::span<std::byte> staging) const;
};

/// Opens a regular file for reading. Throws Error(kMissing) if it does not exist, Error(kDevice) if
/// it cannot be opened, Error(kArgument) if it is a folder or a device.
std::shared_ptr<const File> open_file(const std::filesystem::path& path);

/// The cached share of all files together, weighted by size; 1 if there are none.
double cached_share(const std::set<const File*>& files);

/// A File over bytes in memory: folded constants, and tests.
std::shared_ptr<const File> memory_file(std::string name, std::vector<std::byte> bytes);

/// The same without a copy, for what a client has sent. `bytes` must outlive the file.
std::shared_ptr<const File> file_over(std::string name, std::string_view bytes);

/// Reads a whole small text or binary file. Throws like open_file, and Error(kCorrupt) above
/// `limit_bytes`.
std::string read_small_file(const std::filesystem::path& path, std::uint64_t limit_bytes);

/// A hidden name in the same folder that no other thread or process uses, for a file that will
/// replace `path` atomically. Short, so that it is valid wherever `path` is.
std::filesystem::path temporary_name(const std::filesystem::path& path);

/// Whether a file's name looks like one from temporary_name(). A killed process can leave such a
/// file.
bool is_temporary_name(const std::string& name);

/// The path that writing to `path` ends up at: follows symbolic links in its last component. The
/// target need not exist; a loop of links ends at one of them.
std::filesystem::path follow_links(const std::filesystem::path& path);

/// Makes creations, renames and removals in a folder survive a power cut. Throws Error(kDevice).
void sync_folder(const std::filesystem::path& folder);

/// Who may read a new file: everybody whom the umask allows, or only its owner.
enum class Readers : std::uint8_t { kAll, kOwner };

/// Writes a file that appears under its name only at commit(): whole or not at all. Links are
/// followed. An existing file is replaced; its mode is kept and, if the system allows it, its owner
/// and group.
///
/// Targets that cannot be replaced are written in place, from the first write() on: a device, a
/// pipe, a file that is its own mount, or a file in a folder that does not allow renaming. A pipe
/// must get a reader within five seconds.
class OutputFile {
 public:
  /// Prepares to write `path` without changing it. Throws Error(kDevice) or Error(kMissing) if it
  /// cannot be written or its folder does not exist, Error(kArgument) if it is a folder or a
  /// socket.
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

  std::filesystem::path path_;       // as given, for messages
  std::filesystem::path place_;      // links followed
  std::filesystem::path temporary_;  // empty if the file has no name before commit
  bool in_place_ = false;            // written in place, and opened by the first write
  int descriptor_ = -1;
};

/// Removes the uncommitted files of all OutputFiles and blocks later commits: for a program that
/// must end at once. Thread-safe; not for signal handlers.
void remove_unfinished_outputs() noexcept;

}  // namespace semblance
