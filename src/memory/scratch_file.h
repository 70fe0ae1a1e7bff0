// Disk space for data that does not fit in memory while a plan runs. The file has no name, so
// nothing is left behind however the program ends. Its bytes bypass the page cache or are dropped
// from it, so that they do not evict other programs' data.
//
// Scratch is the interface that lets a test supply one that fails on demand.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

namespace semblance {

class Scratch {
 public:
  virtual ~Scratch() = default;
  /// For messages: "the scratch file in /var/tmp".
  virtual const std::string& name() const = 0;
  virtual std::uint64_t size() const = 0;
  /// Offsets and sizes are in bytes; a range beyond size() is our bug (kInternal). Both throw
  /// Error(kDevice) if the disk is full or fails. Thread-safe for ranges that do not overlap.
  virtual void write(std::uint64_t offset, std::span<const std::byte> src) = 0;
  virtual void read(std::uint64_t offset, std::span<std::byte> dst) const = 0;
};

/// The folder for scratch files: `named` (--scratch), or the first of TMPDIR, /var/tmp and /tmp
/// that is a writable folder on a disk. A folder in memory (tmpfs) would count against the budget
/// and is not used. If `named` is given, throws Error(kArgument) if it is not a folder or is in
/// memory, Error(kMissing) if it does not exist, Error(kDevice) if it cannot be written; else
/// throws Error(kMissing) if no folder is suitable.
std::filesystem::path choose_scratch_folder(const std::optional<std::filesystem::path>& named);
/// The same with `others` in place of TMPDIR, /var/tmp and /tmp.
std::filesystem::path choose_scratch_folder(const std::optional<std::filesystem::path>& named,
                                            std::span<const std::filesystem::path> others);

/// The system calls of a scratch file, which a test can replace.
struct ScratchCalls {
  ssize_t (*write_at)(int descriptor, const void* src, std::size_t bytes, off_t offset);
  ssize_t (*read_at)(int descriptor, void* dst, std::size_t bytes, off_t offset);
  int (*reserve)(int descriptor, int mode, off_t offset, off_t bytes);
  static ScratchCalls system();
};

class ScratchFile final : public Scratch {
 public:
  /// Transfers whose offset, size and memory address are multiples of this bypass the page cache if
  /// the file system supports it.
  static constexpr std::size_t kAlignment = 4096;

  /// Creates a file of `bytes` in the folder and reserves its disk space. Throws Error(kDevice) if
  /// there is not enough free space or no file can be created there.
  ScratchFile(const std::filesystem::path& folder, std::uint64_t bytes,
              ScratchCalls calls = ScratchCalls::system());
  ~ScratchFile() override;
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;

  const std::string& name() const override { return name_; }
  std::uint64_t size() const override { return size_; }
  void write(std::uint64_t offset, std::span<const std::byte> src) override;
  void read(std::uint64_t offset, std::span<std::byte> dst) const override;
  /// The share of it that is in the page cache nevertheless, 0 to 1.
  double cached_share() const;
  /// Whether aligned transfers bypass the page cache.
  bool is_direct() const { return direct_ >= 0 && !direct_refused_; }

 private:
  void reserve();
  int descriptor_for(std::uint64_t offset, const void* place, std::size_t& bytes) const;
  void forget_cached(std::uint64_t offset, std::size_t bytes) const;

  std::string name_;
  std::uint64_t size_;
  ScratchCalls calls_;
  int buffered_ = -1;
  int direct_ = -1;                                  // -1: the file system has no O_DIRECT
  mutable std::atomic<bool> direct_refused_{false};  // it accepted O_DIRECT, but not the transfer
};

}  // namespace semblance
