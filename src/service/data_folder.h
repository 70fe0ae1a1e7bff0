// The folder of --data:
//
//   FOLDER/lock
//   FOLDER/service.sqlite      jobs and saved identities
//   FOLDER/link-secret         what links to pictures are signed with (links.h)
//   FOLDER/jobs/ID/            a job's files (job_files.h)
//   FOLDER/identities/ID.json
//
// Photos of people lie there: what we make is for its owner alone, and a folder that is there
// already is never changed, only refused.
#pragma once

#include <filesystem>
#include <string>

namespace semblance::service {

class DataFolder {
 public:
  /// Makes the folder (mode 0700) where it is not there, and holds it until this is destroyed.
  /// Throws Error(kArgument) for one that is somebody else's, that others may write into, that has
  /// no database of ours and holds foreign files, or whose parts are links; Error(kDevice) where
  /// another program holds it or it cannot be written.
  explicit DataFolder(const std::filesystem::path& folder);
  ~DataFolder();
  DataFolder(const DataFolder&) = delete;
  DataFolder& operator=(const DataFolder&) = delete;

  /// Absolute, without links.
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path database() const { return path_ / "service.sqlite"; }
  std::filesystem::path jobs() const { return path_ / "jobs"; }
  std::filesystem::path identities() const { return path_ / "identities"; }
  /// 64 hexadecimal digits, kept for the owner alone. Made where there are none: what was signed
  /// before is worth nothing then. Throws Error(kDevice).
  std::string link_secret() const;

 private:
  std::filesystem::path path_;
  int lock_ = -1;
};

/// Makes a folder for its owner alone; one that is there already stays as it is. Throws
/// Error(kDevice).
void make_private_folder(const std::filesystem::path& folder);

}  // namespace semblance::service
