#include "memory/scratch_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "core/error.h"
#include "core/refusal.h"
#include "memory/budget.h"
#include "memory/page_cache.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;

// At most this much is in the page cache at a time, for transfers that go through it.
constexpr std::size_t kBufferedPiece = std::size_t{4} << 20U;
// Copied: linux/magic.h is not installed everywhere.
constexpr std::array<std::uint32_t, 3> kInMemory = {0x01021994U,   // tmpfs
                                                    0x858458f6U,   // ramfs
                                                    0x958458f6U};  // hugetlbfs

constexpr const char* kWayOut =
    "name a folder on a disk with --scratch DIR, or do without a scratch file with --no-spill";

bool is_in_memory(const fs::path& folder) {
  struct statfs status {};
  if (statfs(folder.c_str(), &status) != 0) return false;
  const auto type = static_cast<std::uint32_t>(status.f_type);
  return std::find(kInMemory.begin(), kInMemory.end(), type) != kInMemory.end();
}

/// Opens a nameless file in the folder; -1 and errno on failure.
int open_nameless(const fs::path& folder) {
  const int descriptor = open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (descriptor >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
    return descriptor;
  std::string name = (folder / ".semblance_scratch_XXXXXX").string();
  const int named = mkostemp(name.data(), O_CLOEXEC);
  if (named >= 0) unlink(name.c_str());
  return named;
}

std::optional<int> error_of_writing(const fs::path& folder) {
  const int descriptor = open_nameless(folder);
  if (descriptor < 0) return errno;
  close(descriptor);
  return std::nullopt;
}

bool fits(const fs::path& folder) {
  std::error_code ignored;
  return !folder.empty() && fs::is_directory(folder, ignored) && !is_in_memory(folder) &&
         !error_of_writing(folder);
}

void check_named(const fs::path& folder) {
  std::error_code error;
  const fs::file_status status = fs::status(folder, error);
  if (status.type() == fs::file_type::not_found) {
    fail(ErrorKind::kMissing, "--scratch: there is no folder {}\n  create it first",
         folder.string());
  }
  if (error) {
    fail(ErrorKind::kDevice, "--scratch: cannot access {}: {}", folder.string(), error.message());
  }
  if (!fs::is_directory(status)) {
    fail(ErrorKind::kArgument, "--scratch: expected a folder, {} is not one", folder.string());
  }
  if (is_in_memory(folder)) {
    fail(ErrorKind::kArgument,
         "--scratch: {} is in memory (tmpfs): what is written there counts against the budget\n"
         "  {}",
         folder.string(), kWayOut);
  }
  if (const auto reason = error_of_writing(folder)) {
    fail(kind_of(*reason), "--scratch: cannot write in {}: {}\n  {}", folder.string(),
         std::strerror(*reason), kWayOut);
  }
}

bool is_aligned(std::uint64_t value) { return value % ScratchFile::kAlignment == 0; }

}  // namespace

ScratchCalls ScratchCalls::system() {
  return {.write_at = ::pwrite, .read_at = ::pread, .reserve = ::fallocate};
}

fs::path choose_scratch_folder(const std::optional<fs::path>& named) {
  const char* temporary = std::getenv("TMPDIR");
  const std::array<fs::path, 3> others{temporary == nullptr ? "" : temporary, "/var/tmp", "/tmp"};
  return choose_scratch_folder(named, others);
}

fs::path choose_scratch_folder(const std::optional<fs::path>& named,
                               std::span<const fs::path> others) {
  if (named) {
    check_named(*named);
    return *named;
  }
  const auto found = std::find_if(others.begin(), others.end(), fits);
  if (found != others.end()) return *found;
  fail(ErrorKind::kMissing,
       "cannot place a scratch file: none of TMPDIR, /var/tmp and /tmp is a writable folder on a "
       "disk\n  {}",
       kWayOut);
}

ScratchFile::ScratchFile(const fs::path& folder, std::uint64_t bytes, ScratchCalls calls)
    : name_("the scratch file in " + folder.string()), size_(bytes), calls_(calls) {
  struct statvfs space {};
  if (statvfs(folder.c_str(), &space) != 0) {
    fail(kind_of(errno), "cannot create {}: {}", name_, std::strerror(errno));
  }
  const std::uint64_t free_bytes = std::uint64_t{space.f_bavail} * space.f_frsize;
  if (free_bytes < bytes) {
    fail(ErrorKind::kDevice,
         "cannot create {}: it needs {}, {} are free\n  free some space there, or name another "
         "folder with --scratch DIR; a larger --memory needs less scratch space",
         name_, bytes_text(bytes), bytes_text(free_bytes));
  }
  buffered_ = open_nameless(folder);
  if (buffered_ < 0) fail(kind_of(errno), "cannot create {}: {}", name_, std::strerror(errno));
  try {
    reserve();
  } catch (...) {
    close(buffered_);
    throw;
  }
  direct_ = open(fmt::format("/proc/self/fd/{}", buffered_).c_str(), O_RDWR | O_DIRECT | O_CLOEXEC);
}

double ScratchFile::cached_share() const { return semblance::cached_share(buffered_, size_); }

ScratchFile::~ScratchFile() {
  if (direct_ >= 0) close(direct_);
  close(buffered_);
}

void ScratchFile::reserve() {
  if (size_ == 0) return;
  int result = 0;
  do {
    result = calls_.reserve(buffered_, 0, 0, static_cast<off_t>(size_));
  } while (result != 0 && errno == EINTR);
  if (result == 0) return;
  // If space cannot be reserved, a write will report a full disk.
  if (errno == EOPNOTSUPP || errno == ENOSYS) {
    if (ftruncate(buffered_, static_cast<off_t>(size_)) == 0) return;
  }
  const int reason = errno;
  fail(kind_of(reason), "cannot create {} of {}: {}", name_, bytes_text(size_),
       std::strerror(reason));
}

/// The descriptor for the next bytes, and how many of them: an aligned beginning bypasses the page
/// cache, the rest goes through it in small pieces.
int ScratchFile::descriptor_for(std::uint64_t offset, const void* place, std::size_t& bytes) const {
  const bool begins = is_aligned(offset) && is_aligned(reinterpret_cast<std::uintptr_t>(place));
  if (is_direct() && begins && bytes >= kAlignment) {
    bytes -= bytes % kAlignment;
    return direct_;
  }
  bytes = std::min(bytes, kBufferedPiece);
  return buffered_;
}

void ScratchFile::forget_cached(std::uint64_t offset, std::size_t bytes) const {
  posix_fadvise(buffered_, static_cast<off_t>(offset), static_cast<off_t>(bytes),
                POSIX_FADV_DONTNEED);
}

void ScratchFile::write(std::uint64_t offset, std::span<const std::byte> src) {
  SEMBLANCE_ASSERT(offset <= size_ && src.size() <= size_ - offset);
  while (!src.empty()) {
    std::size_t bytes = src.size();
    const int descriptor = descriptor_for(offset, src.data(), bytes);
    const ssize_t put = calls_.write_at(descriptor, src.data(), bytes, static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && errno == EINVAL && descriptor == direct_) {
      direct_refused_ = true;
      continue;
    }
    if (put <= 0) {
      const int reason = put < 0 ? errno : EIO;
      fail(kind_of(reason), "cannot write {}: {}{}", name_, std::strerror(reason),
           reason == ENOSPC || reason == EDQUOT
               ? "\n  free some space there, or name another folder with --scratch DIR"
               : "");
    }
    if (descriptor == buffered_) {
      // Only clean pages can be dropped.
      constexpr unsigned int kWritten =
          SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
      if (sync_file_range(buffered_, static_cast<off_t>(offset), put, kWritten) != 0 &&
          (errno == EIO || errno == ENOSPC)) {
        fail(kind_of(errno), "cannot write {}: {}", name_, std::strerror(errno));
      }
      forget_cached(offset, static_cast<std::size_t>(put));
    }
    src = src.subspan(static_cast<std::size_t>(put));
    offset += static_cast<std::uint64_t>(put);
  }
}

void ScratchFile::read(std::uint64_t offset, std::span<std::byte> dst) const {
  SEMBLANCE_ASSERT(offset <= size_ && dst.size() <= size_ - offset);
  while (!dst.empty()) {
    std::size_t bytes = dst.size();
    const int descriptor = descriptor_for(offset, dst.data(), bytes);
    const ssize_t got = calls_.read_at(descriptor, dst.data(), bytes, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EINVAL && descriptor == direct_) {
      direct_refused_ = true;
      continue;
    }
    if (got < 0) fail(kind_of(errno), "cannot read {}: {}", name_, std::strerror(errno));
    if (got == 0) {
      fail(ErrorKind::kDevice, "cannot read {}: it ends at byte {}, expected {} bytes", name_,
           offset, size_);
    }
    if (descriptor == buffered_) forget_cached(offset, static_cast<std::size_t>(got));
    dst = dst.subspan(static_cast<std::size_t>(got));
    offset += static_cast<std::uint64_t>(got);
  }
}

}  // namespace semblance
