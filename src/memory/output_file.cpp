// The OutputFile of file.h.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <mutex>
#include <optional>
#include <thread>

#include "core/error.h"
#include "core/refusal.h"
#include "memory/file.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kReaderWait{5};
constexpr std::string_view kHiddenBegin = ".semblance-";
constexpr std::string_view kHiddenEnd = ".tmp";

// The visible names of unfinished files. The lock is held during every change of them on disk, so
// that remove_unfinished_outputs() misses none.
std::mutex unfinished_mutex;
std::vector<fs::path>& unfinished() {
  static auto& names = *new std::vector<fs::path>();  // outlives exit handlers
  return names;
}
void forget(const fs::path& name) { std::erase(unfinished(), name); }

fs::path folder_of(const fs::path& place) {
  return place.has_parent_path() ? place.parent_path() : ".";
}

[[noreturn]] void fail_to_write(const fs::path& path, int error) {
  const fs::path folder = follow_links(path).parent_path();
  std::error_code ignored;
  if (error == ENOENT && !folder.empty() && !fs::exists(folder, ignored)) {
    fail(ErrorKind::kMissing, "cannot write {}: there is no folder {}\n  create it first",
         path.string(), folder.string());
  }
  const auto kind = error == ENOENT ? ErrorKind::kMissing : kind_of(error);
  fail(kind, "cannot write {}: {}", path.string(), std::strerror(error));
}

/// The status of what exists at `path`, following links; nothing if nothing exists. Throws if this
/// cannot be determined or the target cannot be written.
std::optional<struct stat> find_existing(const fs::path& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) {
    if (errno != ENOENT) fail_to_write(path, errno);
    if (path.has_filename()) return std::nullopt;
    status.st_mode = S_IFDIR;  // "folder/", which does not exist yet
  }
  if (S_ISDIR(status.st_mode)) {
    fail(ErrorKind::kArgument, "cannot write {}: expected a file name, got a folder",
         path.string());
  }
  if (S_ISSOCK(status.st_mode)) {
    fail(ErrorKind::kArgument, "cannot write {}: expected a file, a device or a pipe, got a socket",
         path.string());
  }
  return status;
}

/// Whether a new file can replace the regular file at `place`.
bool is_replaceable(const fs::path& place, const struct stat& status) {
  struct statx now {};
  if (statx(AT_FDCWD, place.c_str(), AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &now) != 0 ||
      now.stx_ino != status.st_ino) {
    return false;  // a link of /proc, whose text is not the file's name
  }
  constexpr std::uint64_t kStays = STATX_ATTR_MOUNT_ROOT | STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND;
  if ((now.stx_attributes & kStays) != 0) return false;
  const fs::path folder = folder_of(place);
  if (faccessat(AT_FDCWD, folder.c_str(), W_OK | X_OK, AT_EACCESS) != 0) return false;
  struct stat parent {};
  const uid_t user = geteuid();
  // In sticky folders such as /tmp only the file's owner may rename over it.
  return stat(folder.c_str(), &parent) != 0 || (parent.st_mode & S_ISVTX) == 0 || user == 0 ||
         user == status.st_uid || user == parent.st_uid;
}

/// Throws unless the target at `path` can be written in place. A pipe or device is not opened: the
/// reader of a pipe would see the close as the end of the data.
void check_in_place(const fs::path& path, const struct stat& status) {
  if (!S_ISREG(status.st_mode)) {
    if (faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS) != 0) fail_to_write(path, errno);
    return;
  }
  const int descriptor = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (descriptor < 0) fail_to_write(path, errno);
  close(descriptor);
}

/// If the group cannot be kept, its permissions are dropped: they were meant for other users.
void keep_owner_and_mode(int descriptor, const struct stat& status) {
  mode_t mode = status.st_mode & 0777U;
  struct stat now {};
  if (fstat(descriptor, &now) != 0) return;
  if (now.st_gid != status.st_gid && fchown(descriptor, static_cast<uid_t>(-1), status.st_gid) != 0)
    mode &= ~static_cast<mode_t>(S_IRWXG);
  // Only root can change the owner; otherwise the file becomes the user's own.
  [[maybe_unused]] const int refused =
      now.st_uid == status.st_uid ? 0 : fchown(descriptor, status.st_uid, static_cast<gid_t>(-1));
  fchmod(descriptor, mode);  // if this fails, only the owner can access the file
}

}  // namespace

fs::path temporary_name(const fs::path& path) {
  static std::atomic<unsigned> count = 0;
  fs::path beside = path;
  return beside.replace_filename(
      fmt::format("{}{}-{}{}", kHiddenBegin, getpid(), ++count, kHiddenEnd));
}

bool is_temporary_name(const std::string& name) {
  if (!name.starts_with(kHiddenBegin) || !name.ends_with(kHiddenEnd) ||
      name.size() <= kHiddenBegin.size() + kHiddenEnd.size())
    return false;
  const std::string_view middle = std::string_view(name).substr(
      kHiddenBegin.size(), name.size() - kHiddenBegin.size() - kHiddenEnd.size());
  const std::size_t dash = middle.find('-');
  const auto is_number = [](std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == text.npos;
  };
  return dash != middle.npos && is_number(middle.substr(0, dash)) &&
         is_number(middle.substr(dash + 1));
}

fs::path follow_links(const fs::path& path) {
  constexpr int kMostLinks = 40;  // the system's limit
  fs::path place = path;
  for (int i = 0; i < kMostLinks; ++i) {
    std::error_code error;
    const fs::path target = fs::read_symlink(place, error);
    if (error) break;
    place = place.parent_path() / target;  // just the target if it is absolute
  }
  return place;
}

void sync_folder(const fs::path& folder) {
  const int descriptor = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced =
      descriptor >= 0 && (fsync(descriptor) == 0 || errno == EINVAL || errno == EROFS);
  const int error = errno;
  if (descriptor >= 0) close(descriptor);
  if (!synced)
    fail(ErrorKind::kDevice, "cannot write {}: {}", folder.string(), std::strerror(error));
}

OutputFile::OutputFile(fs::path path, Readers readers) : path_(std::move(path)), place_(path_) {
  const auto existing = find_existing(path_);
  if (!existing || S_ISREG(existing->st_mode)) place_ = follow_links(path_);
  if (existing && !(S_ISREG(existing->st_mode) && is_replaceable(place_, *existing))) {
    check_in_place(path_, *existing);
    in_place_ = true;
    return;
  }
  open_staged(existing || readers == Readers::kOwner ? 0600 : 0666);
  if (existing) keep_owner_and_mode(descriptor_, *existing);
}

void OutputFile::open_staged(mode_t mode) {
  descriptor_ = open(folder_of(place_).c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, mode);
  if (descriptor_ >= 0) return;
  if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL) fail_to_write(path_, errno);
  const std::lock_guard lock(unfinished_mutex);
  temporary_ = temporary_name(place_);
  descriptor_ = open(temporary_.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, mode);
  if (descriptor_ < 0) fail_to_write(path_, errno);
  unfinished().push_back(temporary_);
}

void OutputFile::open_in_place() {
  if (descriptor_ >= 0) return;
  const auto last = std::chrono::steady_clock::now() + kReaderWait;
  while (true) {
    // Non-blocking: a pipe without a reader would block the program forever.
    descriptor_ = open(path_.c_str(), O_WRONLY | O_TRUNC | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (descriptor_ >= 0) break;
    const int error = errno;
    std::error_code ignored;
    if (error != ENXIO || !fs::is_fifo(path_, ignored)) fail_to_write(path_, error);
    if (std::chrono::steady_clock::now() >= last) {
      fail(ErrorKind::kDevice,
           "cannot write {}: no reader opened this pipe within {} seconds\n  start the reader "
           "first, or name a file",
           path_.string(), kReaderWait.count());
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  fcntl(descriptor_, F_SETFL, fcntl(descriptor_, F_GETFL) & ~O_NONBLOCK);
}

OutputFile::~OutputFile() {
  if (descriptor_ >= 0) close(descriptor_);
  if (temporary_.empty()) return;
  const std::lock_guard lock(unfinished_mutex);
  unlink(temporary_.c_str());
  forget(temporary_);
}

void OutputFile::write(std::span<const std::byte> bytes) {
  if (in_place_) open_in_place();
  while (!bytes.empty()) {
    const ssize_t put = ::write(descriptor_, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) fail_to_write(path_, errno);
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
}

void OutputFile::write(std::string_view text) { write(std::as_bytes(std::span(text))); }

void OutputFile::commit() {
  if (in_place_) open_in_place();
  if (fsync(descriptor_) != 0 && errno != EINVAL && errno != EROFS) fail_to_write(path_, errno);
  if (!in_place_) replace();
  close(descriptor_);
  descriptor_ = -1;
}

void OutputFile::replace() {
  const std::lock_guard lock(unfinished_mutex);
  if (temporary_.empty()) {
    // A nameless file cannot replace another: give it a hidden name first, then rename that.
    temporary_ = temporary_name(place_);
    unlink(temporary_.c_str());
    const std::string source = fmt::format("/proc/self/fd/{}", descriptor_);
    if (linkat(AT_FDCWD, source.c_str(), AT_FDCWD, temporary_.c_str(), AT_SYMLINK_FOLLOW) != 0) {
      const int error = errno;
      temporary_.clear();
      fail_to_write(path_, error);
    }
    unfinished().push_back(temporary_);
  }
  if (rename(temporary_.c_str(), place_.c_str()) != 0) fail_to_write(path_, errno);
  forget(temporary_);
  temporary_.clear();
}

void remove_unfinished_outputs() noexcept {
  unfinished_mutex.lock();  // never unlocked: nothing can be committed any more
  for (const auto& name : unfinished()) unlink(name.c_str());
}

}  // namespace semblance
