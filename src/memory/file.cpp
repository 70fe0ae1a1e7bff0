#include "memory/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <mutex>

#include "core/error.h"
#include "memory/page_cache.h"

namespace semblance {
namespace {

class PosixFile final : public File {
 public:
  PosixFile(std::string name, int descriptor, std::uint64_t size)
      : name_(std::move(name)), descriptor_(descriptor), size_(size) {}
  ~PosixFile() override { close(descriptor_); }
  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;

  const std::string& name() const override { return name_; }
  std::uint64_t size() const override { return size_; }

  void read(std::uint64_t offset, std::span<std::byte> dst) const override {
    if (offset > size_ || dst.size() > size_ - offset) {
      fail(ErrorKind::kCorrupt, "cannot read {}: bytes {} to {} were asked for, the file has {}",
           name_, offset, offset + dst.size(), size_);
    }
    while (!dst.empty()) {
      const ssize_t got = pread(descriptor_, dst.data(), dst.size(), static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) fail(ErrorKind::kDevice, "cannot read {}: {}", name_, std::strerror(errno));
      if (got == 0)
        fail(ErrorKind::kCorrupt,
             "cannot read {}: it became shorter than {} bytes while it was read", name_, size_);
      dst = dst.subspan(static_cast<std::size_t>(got));
      offset += static_cast<std::uint64_t>(got);
    }
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
  std::string name_;
  int descriptor_;
  std::uint64_t size_;
};

class MemoryFile final : public File {
 public:
  MemoryFile(std::string name, std::vector<std::byte> bytes)
      : name_(std::move(name)), bytes_(std::move(bytes)) {}
  const std::string& name() const override { return name_; }
  std::uint64_t size() const override { return bytes_.size(); }
  double cached_share() const override { return 1; }
  void read(std::uint64_t offset, std::span<std::byte> dst) const override {
    if (offset > bytes_.size() || dst.size() > bytes_.size() - offset) {
      fail(ErrorKind::kCorrupt, "cannot read {}: bytes {} to {} were asked for, the file has {}",
           name_, offset, offset + dst.size(), bytes_.size());
    }
    if (!dst.empty()) std::memcpy(dst.data(), bytes_.data() + offset, dst.size());
  }

 private:
  std::string name_;
  std::vector<std::byte> bytes_;
};

// Names under which unfinished files are visible. The lock is held over every change of them on
// disk, so that none is left behind by remove_unfinished_outputs().
std::mutex unfinished_mutex;
std::vector<std::filesystem::path>& unfinished() {
  static auto& names = *new std::vector<std::filesystem::path>();  // outlives exit handlers
  return names;
}
void forget(const std::filesystem::path& name) { std::erase(unfinished(), name); }

[[noreturn]] void fail_to_write(const std::filesystem::path& path, int error) {
  std::error_code ignored;
  if (error == ENOENT && path.has_parent_path() &&
      !std::filesystem::exists(path.parent_path(), ignored)) {
    fail(ErrorKind::kMissing, "cannot write {}: there is no folder {}\n  make it first",
         path.string(), path.parent_path().string());
  }
  const auto kind = error == ENOENT ? ErrorKind::kMissing : ErrorKind::kDevice;
  fail(kind, "cannot write {}: {}", path.string(), std::strerror(error));
}

}  // namespace

void File::will_need(std::uint64_t, std::uint64_t) const {}
void File::done_with(std::uint64_t, std::uint64_t) const {}
double File::cached_share() const { return 0; }

std::shared_ptr<const File> open_file(const std::filesystem::path& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) {
    const auto kind =
        errno == ENOENT || errno == ENOTDIR ? ErrorKind::kMissing : ErrorKind::kDevice;
    fail(kind, "cannot open {}: {}", path.string(), std::strerror(errno));
  }
  struct stat status {};
  if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
    close(descriptor);
    fail(ErrorKind::kArgument, "cannot open {}: a file is needed, this is {}", path.string(),
         S_ISDIR(status.st_mode) ? "a folder" : "not a regular file");
  }
  return std::make_shared<PosixFile>(path.string(), descriptor,
                                     static_cast<std::uint64_t>(status.st_size));
}

std::shared_ptr<const File> memory_file(std::string name, std::vector<std::byte> bytes) {
  return std::make_shared<MemoryFile>(std::move(name), std::move(bytes));
}

std::string read_small_file(const std::filesystem::path& path, std::uint64_t limit_bytes) {
  const auto file = open_file(path);
  if (file->size() > limit_bytes) {
    fail(ErrorKind::kCorrupt, "cannot read {}: such a file has at most {} bytes, this one has {}",
         path.string(), limit_bytes, file->size());
  }
  std::string text(file->size(), '\0');
  file->read(0, std::as_writable_bytes(std::span(text)));
  return text;
}

OutputFile::OutputFile(std::filesystem::path path) : path_(std::move(path)) {
  std::error_code ignored;
  if (path_.filename().empty() || std::filesystem::is_directory(path_, ignored)) {
    fail(ErrorKind::kArgument, "cannot write {}: a file's name is needed, this is a folder",
         path_.string());
  }
  const std::filesystem::path folder = path_.has_parent_path() ? path_.parent_path() : ".";
  descriptor_ = open(folder.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
  if (descriptor_ >= 0) return;
  if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL) fail_to_write(path_, errno);
  const std::lock_guard lock(unfinished_mutex);
  temporary_ = folder / fmt::format(".{}.{}.tmp", path_.filename().string(), getpid());
  descriptor_ = open(temporary_.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
  if (descriptor_ < 0) fail_to_write(path_, errno);
  unfinished().push_back(temporary_);
}

OutputFile::~OutputFile() {
  if (descriptor_ >= 0) close(descriptor_);
  if (temporary_.empty()) return;
  const std::lock_guard lock(unfinished_mutex);
  unlink(temporary_.c_str());
  forget(temporary_);
}

void OutputFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(descriptor_, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) fail_to_write(path_, errno);
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
}

void OutputFile::write(std::string_view text) { write(std::as_bytes(std::span(text))); }

void OutputFile::commit() {
  if (fsync(descriptor_) != 0 && errno != EINVAL && errno != EROFS) fail_to_write(path_, errno);
  const std::lock_guard lock(unfinished_mutex);
  if (temporary_.empty()) {
    // A file without a name cannot replace one: it takes a hidden name first, then that name moves
    // over.
    temporary_ = path_;
    temporary_.replace_filename(fmt::format(".{}.{}.tmp", path_.filename().string(), getpid()));
    unlink(temporary_.c_str());
    const std::string source = fmt::format("/proc/self/fd/{}", descriptor_);
    if (linkat(AT_FDCWD, source.c_str(), AT_FDCWD, temporary_.c_str(), AT_SYMLINK_FOLLOW) != 0) {
      const int error = errno;
      temporary_.clear();
      fail_to_write(path_, error);
    }
    unfinished().push_back(temporary_);
  }
  if (rename(temporary_.c_str(), path_.c_str()) != 0) fail_to_write(path_, errno);
  forget(temporary_);
  temporary_.clear();
  close(descriptor_);
  descriptor_ = -1;
}

void remove_unfinished_outputs() noexcept {
  unfinished_mutex.lock();  // never given back: nothing is committed any more
  for (const auto& name : unfinished()) unlink(name.c_str());
}

}  // namespace semblance
