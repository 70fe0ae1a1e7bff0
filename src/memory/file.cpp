#include "memory/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>

#include "core/error.h"
#include "core/refusal.h"
#include "memory/page_cache.h"

namespace semblance {
namespace {

/// Reads that bypass the page cache begin and end at multiples of this.
constexpr std::uint64_t kPage = 4096;

class PosixFile final : public File {
 public:
  PosixFile(std::string name, int descriptor, const struct stat& status)
      : name_(std::move(name)),
        descriptor_(descriptor),
        size_(static_cast<std::uint64_t>(status.st_size)),
        modified_(status.st_mtim) {}
  ~PosixFile() override {
    close(descriptor_);
    if (direct_ >= 0) close(direct_);
  }
  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;

  const std::string& name() const override { return name_; }
  std::uint64_t size() const override { return size_; }

  void read(std::uint64_t offset, std::span<std::byte> dst) const override {
    check_range(offset, dst.size());
    while (!dst.empty()) {
      const ssize_t got = pread(descriptor_, dst.data(), dst.size(), static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) fail_to_read(errno);
      if (got == 0) became_shorter();
      dst = dst.subspan(static_cast<std::size_t>(got));
      offset += static_cast<std::uint64_t>(got);
    }
    check_unchanged();
  }

  void read_past_cache(std::uint64_t offset, std::span<std::byte> dst,
                       std::span<std::byte> staging) const override {
    check_range(offset, dst.size());
    SEMBLANCE_ASSERT(reinterpret_cast<std::uintptr_t>(staging.data()) % kPage == 0 &&
                     staging.size() >= kPage && staging.size() % kPage == 0);
    std::call_once(past_cache_, [this] { open_past_cache(); });
    while (!dst.empty()) {
      const std::uint64_t begin = offset / kPage * kPage;
      const std::uint64_t end =
          std::min<std::uint64_t>(offset + dst.size(), begin + staging.size());
      const std::span<std::byte> part = dst.first(end - offset);
      if (refuses_direct_ || is_cached(begin, end)) {
        const bool cached = !refuses_direct_;
        read(offset, part);
        if (!cached) done_with(offset, part.size());
      } else {
        const std::uint64_t ask =
            std::min<std::uint64_t>((end - begin + kPage - 1) / kPage * kPage, staging.size());
        const ssize_t got = pread(direct_, staging.data(), ask, static_cast<off_t>(begin));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && errno == EINVAL) {
          refuses_direct_ = true;
          continue;
        }
        if (got < 0) fail_to_read(errno);
        if (static_cast<std::uint64_t>(got) < end - begin) {
          struct stat status {};
          if (fstat(descriptor_, &status) != 0 ||
              static_cast<std::uint64_t>(status.st_size) < end) {
            became_shorter();
          }
          read(offset, part);  // a short direct read: let the system continue
        } else {
          std::memcpy(part.data(), staging.data() + (offset - begin), part.size());
        }
      }
      dst = dst.subspan(part.size());
      offset = end;
    }
    check_unchanged();
  }

  void will_need(std::uint64_t offset, std::uint64_t bytes) const override {
    posix_fadvise(descriptor_, static_cast<off_t>(offset), static_cast<off_t>(bytes),
                  POSIX_FADV_WILLNEED);
  }

  void done_with(std::uint64_t offset, std::uint64_t bytes) const override {
    posix_fadvise(descriptor_, static_cast<off_t>(offset), static_cast<off_t>(bytes),
                  POSIX_FADV_DONTNEED);
  }

  double cached_share() const override { return semblance::cached_share(descriptor_, size_); }

 private:
  void check_range(std::uint64_t offset, std::uint64_t bytes) const {
    if (offset > size_ || bytes > size_ - offset) {
      fail(ErrorKind::kCorrupt, "cannot read {}: asked for bytes {} to {}, the file has {}", name_,
           offset, offset + bytes, size_);
    }
  }
  [[noreturn]] void fail_to_read(int error) const {
    fail(kind_of(error), "cannot read {}: {}", name_, std::strerror(error));
  }
  [[noreturn]] void became_shorter() const {
    fail(ErrorKind::kCorrupt, "cannot read {}: it became shorter than {} bytes while it was read",
         name_, size_);
  }
  /// A file that is replaced by name can still be read. One that is overwritten cannot: its bytes
  /// would be a mix of old and new.
  void check_unchanged() const {
    struct stat status {};
    if (fstat(descriptor_, &status) != 0) fail_to_read(errno);
    if (status.st_mtim.tv_sec != modified_.tv_sec || status.st_mtim.tv_nsec != modified_.tv_nsec) {
      fail(ErrorKind::kCorrupt, "cannot read {}: it was written to while it was read", name_);
    }
  }

  /// Opens a second descriptor that bypasses the page cache, for the same file even if its name is
  /// gone.
  void open_past_cache() const {
    const std::string self = fmt::format("/proc/self/fd/{}", descriptor_);
    direct_ = open(self.c_str(), O_RDONLY | O_CLOEXEC | O_DIRECT);
    refuses_direct_ = direct_ < 0;
  }
  /// Uses a mapping that is never touched and only exists during the call, so that a large file
  /// takes no address space.
  bool is_cached(std::uint64_t begin, std::uint64_t end) const {
    void* const map =
        mmap(nullptr, end - begin, PROT_READ, MAP_SHARED, descriptor_, static_cast<off_t>(begin));
    if (map == MAP_FAILED) return false;
    std::array<unsigned char, 512> pages{};
    bool cached = true;
    for (std::uint64_t at = 0; cached && at < end - begin;) {
      const std::uint64_t bytes = std::min<std::uint64_t>(end - begin - at, pages.size() * kPage);
      cached = mincore(static_cast<std::byte*>(map) + at, bytes, pages.data()) == 0;
      const auto last = pages.begin() + static_cast<std::ptrdiff_t>((bytes + kPage - 1) / kPage);
      cached = cached &&
               std::all_of(pages.begin(), last, [](unsigned char page) { return (page & 1) != 0; });
      at += bytes;
    }
    munmap(map, end - begin);
    return cached;
  }

  std::string name_;
  int descriptor_;
  std::uint64_t size_;
  timespec modified_;
  mutable std::once_flag past_cache_;
  mutable int direct_ = -1;
  mutable std::atomic<bool> refuses_direct_ = false;
};

class MemoryFile final : public File {
 public:
  MemoryFile(std::string name, std::vector<std::byte> bytes)
      : name_(std::move(name)), own_(std::move(bytes)), bytes_(own_) {}
  MemoryFile(std::string name, std::span<const std::byte> bytes)
      : name_(std::move(name)), bytes_(bytes) {}
  const std::string& name() const override { return name_; }
  std::uint64_t size() const override { return bytes_.size(); }
  double cached_share() const override { return 1; }
  void read(std::uint64_t offset, std::span<std::byte> dst) const override {
    if (offset > bytes_.size() || dst.size() > bytes_.size() - offset) {
      fail(ErrorKind::kCorrupt, "cannot read {}: asked for bytes {} to {}, the file has {}", name_,
           offset, offset + dst.size(), bytes_.size());
    }
    if (!dst.empty()) std::memcpy(dst.data(), bytes_.data() + offset, dst.size());
  }

 private:
  std::string name_;
  std::vector<std::byte> own_;  // empty if the bytes are borrowed
  std::span<const std::byte> bytes_;
};

}  // namespace

void File::will_need(std::uint64_t, std::uint64_t) const {}
void File::done_with(std::uint64_t, std::uint64_t) const {}
double File::cached_share() const { return 0; }
void File::read_past_cache(std::uint64_t offset, std::span<std::byte> dst,
                           std::span<std::byte>) const {
  read(offset, dst);
}

double cached_share(const std::set<const File*>& files) {
  double cached = 0;
  double all = 0;
  for (const File* file : files) {
    const auto bytes = static_cast<double>(file->size());
    cached += bytes * file->cached_share();
    all += bytes;
  }
  return all > 0 ? cached / all : 1;
}

std::shared_ptr<const File> open_file(const std::filesystem::path& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) {
    const auto kind = errno == ENOENT || errno == ENOTDIR ? ErrorKind::kMissing : kind_of(errno);
    fail(kind, "cannot open {}: {}", path.string(), std::strerror(errno));
  }
  struct stat status {};
  if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
    close(descriptor);
    fail(ErrorKind::kArgument, "cannot open {}: expected a file, got {}", path.string(),
         S_ISDIR(status.st_mode) ? "a folder" : "something else");
  }
  return std::make_shared<PosixFile>(path.string(), descriptor, status);
}

std::shared_ptr<const File> memory_file(std::string name, std::vector<std::byte> bytes) {
  return std::make_shared<MemoryFile>(std::move(name), std::move(bytes));
}

std::shared_ptr<const File> file_over(std::string name, std::string_view bytes) {
  return std::make_shared<MemoryFile>(std::move(name), std::as_bytes(std::span(bytes)));
}

std::string read_small_file(const std::filesystem::path& path, std::uint64_t limit_bytes) {
  const auto file = open_file(path);
  if (file->size() > limit_bytes) {
    fail(ErrorKind::kCorrupt, "cannot read {}: expected at most {} bytes, got {}", path.string(),
         limit_bytes, file->size());
  }
  std::string text(file->size(), '\0');
  file->read(0, std::as_writable_bytes(std::span(text)));
  return text;
}

}  // namespace semblance
