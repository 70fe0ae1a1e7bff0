// A model's repository on the hub, and its place in the local cache. Layout:
// https://huggingface.co/docs/hub/local-cache
//
//   models--owner--name/blobs/<checksum>                 the bytes
//   models--owner--name/snapshots/<commit>/unet/...      links to the blobs, under their file names
//   models--owner--name/refs/main                        the commit of "main"
//   .locks/models--owner--name/<checksum>.lock           locked (flock) while downloading a blob
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace semblance {

struct Repository {
  std::string owner;
  std::string name;
  std::string revision = "main";  // a branch, a tag or a commit

  /// "owner/name", or "owner/name@revision" if that is not main.
  std::string text() const;
  /// "owner/name".
  std::string id() const { return owner + "/" + name; }
  bool operator==(const Repository&) const = default;
};

/// Parses "owner/name" or "owner/name@revision"; nullopt for an invalid name.
std::optional<Repository> parse_repository(std::string_view text);

/// Whether a file name from a server may be joined to a folder: a relative path of plain parts of
/// at most 255 bytes each, without "..", backslashes or control bytes.
bool is_safe_path(std::string_view path);

/// A repository's folders in a cache.
class CachedRepository {
 public:
  CachedRepository(std::filesystem::path cache, Repository repository);

  const Repository& repository() const { return repository_; }
  const std::filesystem::path& folder() const { return folder_; }
  std::filesystem::path blob(std::string_view checksum) const;
  std::filesystem::path lock(std::string_view checksum) const;
  std::filesystem::path snapshot(std::string_view commit) const;
  std::filesystem::path ref() const;

  /// The contents of the revision's file in refs/, trimmed: normally a commit. Empty if the file is
  /// missing or empty.
  std::string named_commit() const;
  /// The snapshot of the revision, if it exists: that of the commit in refs/, or of the revision
  /// itself if it is a commit. Without a ref (as tools leave it that download a commit), the newest
  /// snapshot for "main". Never a snapshot other than refs/ names: that would be a different model,
  /// and huggingface_hub with local_files_only refuses it too.
  std::optional<std::filesystem::path> find_snapshot() const;
  /// All existing snapshots, sorted by commit.
  std::vector<std::filesystem::path> snapshots() const;
  /// Sorted paths of all files of a snapshot whose contents exist.
  static std::vector<std::string> files_of(const std::filesystem::path& snapshot);

 private:
  Repository repository_;
  std::filesystem::path cache_;
  std::filesystem::path folder_;
};

/// The model repositories in a cache, sorted.
std::vector<Repository> repositories_in(const std::filesystem::path& cache);

}  // namespace semblance
