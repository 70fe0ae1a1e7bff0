// The place on disk for what does not fit in memory while a plan runs. It has no name: when the
// program ends, however it ends, nothing is left behind. Its bytes pass the page cache by or are
// dropped from it, so that the rest of the machine is not pushed out.
//
// Scratch is the seam: a test gives one that fails on demand.
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
  /// Offsets and sizes are bytes; a range beyond size() is a bug of ours (kInternal). Both throw
  /// Error(kDevice) when the disk is full or fails. Thread-safe for ranges that do not overlap.
  virtual void write(std::uint64_t offset, std::span<const std::byte> src) = 0;
  virtual void read(std::uint64_t offset, std::span<std::byte> dst) const = 0;
};

/// The folder for scratch files: `named` (--scratch), or the first of TMPDIR, /var/tmp and /tmp
/// that is a writable folder on a disk. A folder in memory (tmpfs) would count against the budget
/// and is not taken. Throws Error(kArgument) for a named one that is no folder or in memory,
/// Error(kMissing) for one that is not there, Error(kDevice) for one that cannot be written, and
/// Error(kMissing) when nothing is named and none fits.
std::filesystem::path choose_scratch_folder(const std::optional<std::filesystem::path>& named);
/// The same with other folders than TMPDIR, /var/tmp and /tmp.
std::filesystem::path choose_scratch_folder(const std::optional<std::filesystem::path>& named,
                                            std::span<const std::filesystem::path> others);

/// The system's calls that a scratch file moves bytes with, as a test replaces them.
struct ScratchCalls {
  ssize_t (*write_at)(int descriptor, const void* src, std::size_t bytes, off_t offset);
  ssize_t (*read_at)(int descriptor, void* dst, std::size_t bytes, off_t offset);
  int (*reserve)(int descriptor, int mode, off_t offset, off_t bytes);
  static ScratchCalls system();
};

class ScratchFile final : public Scratch {
 public:
  /// Ranges that begin, end and lie in memory at multiples of this are moved without the page
  /// cache where the file system can.
  static constexpr std::size_t kAlignment = 4096;

  /// Makes a file of `bytes` in the folder and takes its room on the disk. Throws Error(kDevice)
  /// when there is less free than that, or the folder does not take a file.
  ScratchFile(const std::filesystem::path& folder, std::uint64_t bytes,
              ScratchCalls calls = ScratchCalls::system());
  ~ScratchFile() override;
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;

  const std::string& name() const override { return name_; }
  std::uint64_t size() const override { return size_; }
  void write(std::uint64_t offset, std::span<const std::byte> src) override;
  void read(std::uint64_t offset, std::span<std::byte> dst) const override;
  /// The share of it that lies in the page cache all the same, 0 to 1.
  double cached_share() const;
  /// Whether aligned ranges pass the page cache by.
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
  mutable std::atomic<bool> direct_refused_{false};  // it took the flag, but not the bytes
};

}  // namespace semblance
