// The folder of --data:
//
//   FOLDER/lock
//   FOLDER/service.sqlite      jobs and saved identities
//   FOLDER/link-secret         what links to pictures are signed with (links.h)
//   FOLDER/jobs/ID/            a job's files (job_files.h)
//   FOLDER/identities/ID.json
//
// It contains photos of people, so everything is created for its owner alone. An existing folder is
// used or refused, never changed.
#pragma once

#include <filesystem>
#include <string>

namespace semblance::service {

class DataFolder {
 public:
  /// Creates the folder (mode 0700) if it does not exist, and locks it until this is destroyed.
  /// Throws Error(kArgument) if it belongs to someone else, others may write to it, it has other
  /// files and no semblance database, or its parts are links; Error(kDevice) if another program
  /// holds the lock or it cannot be written.
  explicit DataFolder(const std::filesystem::path& folder);
  ~DataFolder();
  DataFolder(const DataFolder&) = delete;
  DataFolder& operator=(const DataFolder&) = delete;

  /// Absolute, without links.
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path database() const { return path_ / "service.sqlite"; }
  std::filesystem::path jobs() const { return path_ / "jobs"; }
  std::filesystem::path identities() const { return path_ / "identities"; }
  /// 64 hexadecimal digits in a file for the owner alone. If missing or damaged a new one is
  /// created, which invalidates what was signed before. Throws Error(kDevice).
  std::string link_secret() const;

 private:
  std::filesystem::path path_;
  int lock_ = -1;
};

/// Creates a folder for its owner alone; an existing one is not changed. Throws Error(kDevice).
void make_private_folder(const std::filesystem::path& folder);

}  // namespace semblance::service
