#include "service/data_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "core/error.h"
#include "hub/digest.h"
#include "memory/file.h"
#include "service/login.h"

namespace semblance::service {
namespace {

namespace fs = std::filesystem;

constexpr const char* kWayOut = "\n  choose a new or empty folder of your own with --data";

constexpr std::string_view kLinkSecret = "link-secret";
constexpr std::size_t kSecretDigits = 64;

/// What may be in a folder if the program was killed before it created the database.
constexpr std::array<std::string_view, 8> kOurs{"lock",
                                                "jobs",
                                                "identities",
                                                kLinkSecret,
                                                "service.sqlite-wal",
                                                "service.sqlite-shm",
                                                "service.sqlite-journal",
                                                "lost+found"};

struct stat status_of(const fs::path& path, bool follow) {
  struct stat status {};
  const int result = follow ? stat(path.c_str(), &status) : lstat(path.c_str(), &status);
  if (result != 0)
    fail(ErrorKind::kDevice, "cannot use {}: {}", path.string(), std::strerror(errno));
  return status;
}

void refuse_foreign(const fs::path& folder) {
  const struct stat status = status_of(folder, true);
  if (!S_ISDIR(status.st_mode)) {
    fail(ErrorKind::kArgument, "--data: expected a folder, {} is not one{}", folder.string(),
         kWayOut);
  }
  if (status.st_uid != geteuid()) {
    fail(ErrorKind::kArgument, "--data: {} belongs to user {}, this program runs as user {}{}",
         folder.string(), status.st_uid, geteuid(), kWayOut);
  }
  if ((status.st_mode & S_IWOTH) != 0) {
    fail(ErrorKind::kArgument, "--data: everyone may write to {}{}", folder.string(), kWayOut);
  }
}

void refuse_foreign_files(const fs::path& folder) {
  std::error_code error;
  if (fs::exists(fs::symlink_status(folder / "service.sqlite", error))) return;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (std::find(kOurs.begin(), kOurs.end(), name) != kOurs.end()) continue;
    fail(ErrorKind::kArgument, "--data: {} has no semblance database but other files, such as {}{}",
         folder.string(), name, kWayOut);
  }
  if (error)
    fail(ErrorKind::kDevice, "cannot read the folder {}: {}", folder.string(), error.message());
}

/// Refuses a part of the folder that is a link or another user's.
void refuse_link(const fs::path& part, bool is_folder) {
  std::error_code error;
  if (!fs::exists(fs::symlink_status(part, error))) return;
  const struct stat status = status_of(part, false);
  const bool right_type = is_folder ? S_ISDIR(status.st_mode) : S_ISREG(status.st_mode);
  if (right_type && status.st_uid == geteuid()) return;
  fail(ErrorKind::kArgument, "--data: expected {} to be a {} of user {}, got {}{}", part.string(),
       is_folder ? "folder" : "file", geteuid(),
       S_ISLNK(status.st_mode) ? "a link"
       : right_type            ? "another user's"
                               : "something else",
       kWayOut);
}

}  // namespace

void make_private_folder(const fs::path& folder) {
  if (mkdir(folder.c_str(), 0700) == 0) {
    sync_folder(folder.has_parent_path() ? folder.parent_path() : ".");
    return;
  }
  int error = errno;
  if (error == EEXIST) {
    std::error_code ignored;
    if (fs::is_directory(folder, ignored)) return;
    error = ENOTDIR;
  }
  if (error == ENOENT && folder.has_parent_path() && folder.parent_path() != folder) {
    make_private_folder(folder.parent_path());
    if (mkdir(folder.c_str(), 0700) == 0) return sync_folder(folder.parent_path());
    error = errno;
  }
  fail(ErrorKind::kDevice, "cannot make the folder {}: {}", folder.string(), std::strerror(error));
}

DataFolder::DataFolder(const fs::path& folder) {
  std::error_code error;
  fs::path absolute = fs::absolute(folder).lexically_normal();
  if (!absolute.has_filename()) absolute = absolute.parent_path();
  if (!fs::exists(fs::status(absolute, error))) make_private_folder(absolute);
  path_ = fs::canonical(absolute, error);
  if (error)
    fail(ErrorKind::kDevice, "cannot use the folder {}: {}", absolute.string(), error.message());
  refuse_foreign(path_);
  refuse_foreign_files(path_);
  for (const fs::path& part : {jobs(), identities()}) refuse_link(part, true);
  for (const fs::path& part : {database(), path_ / "lock", path_ / kLinkSecret})
    refuse_link(part, false);
  const std::string path = (path_ / "lock").string();
  lock_ = open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (lock_ < 0) fail(ErrorKind::kDevice, "cannot write {}: {}", path, std::strerror(errno));
  if (flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    close(lock_);
    fail(
        ErrorKind::kDevice,
        "cannot use the folder {}: another semblance serve is using it\n  stop that one, or choose "
        "another folder with --data",
        path_.string());
  }
  try {
    make_private_folder(jobs());
    make_private_folder(identities());
  } catch (...) {
    close(lock_);
    throw;
  }
}

DataFolder::~DataFolder() { close(lock_); }

std::string DataFolder::link_secret() const {
  const std::string path = (path_ / kLinkSecret).string();
  std::error_code error;
  if (fs::file_size(path, error) == kSecretDigits) {
    std::string secret = read_small_file(path, kSecretDigits);
    if (is_hex(secret, kSecretDigits)) return secret;
  }
  std::string secret = random_token();
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
  const bool is_written =
      file >= 0 && write(file, secret.data(), secret.size()) == static_cast<ssize_t>(kSecretDigits);
  const int reason = errno;
  if (file >= 0) close(file);
  if (!is_written) fail(ErrorKind::kDevice, "cannot write {}: {}", path, std::strerror(reason));
  return secret;
}

}  // namespace semblance::service
