// A model's repository on the hub, and where it lies in the hub's cache on this machine. Layout:
// https://huggingface.co/docs/hub/local-cache
//
//   models--owner--name/blobs/<checksum>                 the bytes
//   models--owner--name/snapshots/<commit>/unet/...      links to them, under their own names
//   models--owner--name/refs/main                        the commit that "main" was
//   .locks/models--owner--name/<checksum>.lock           held (flock) by who downloads a blob
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

  /// "owner/name", or "owner/name@revision" where that is not main.
  std::string text() const;
  /// "owner/name".
  std::string id() const { return owner + "/" + name; }
  bool operator==(const Repository&) const = default;
};

/// "owner/name" or "owner/name@revision"; nothing for a text that no repository can be called.
std::optional<Repository> parse_repository(std::string_view text);

/// Whether a file name that a server tells may be joined to a folder: relative, of plain parts,
/// without "..", a backslash or a control byte, and of no more than 255 bytes a part.
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

  /// What refs/ says of the revision, without white space around it: a commit, as a rule. Empty
  /// where there is no ref, or an empty one.
  std::string named_commit() const;
  /// The snapshot that the revision stands for, if it is there: of the commit that refs/ names, or
  /// of the revision itself where that is a commit. Where refs/ says nothing, as a tool leaves it
  /// that was given a commit, the newest for "main". Never another one than refs/ names: that would
  /// be another model than asked for, and huggingface_hub with local_files_only refuses it, too.
  std::optional<std::filesystem::path> find_snapshot() const;
  /// All snapshots that are there, sorted by commit.
  std::vector<std::filesystem::path> snapshots() const;
  /// Paths of all files of a snapshot whose bytes are there, sorted.
  static std::vector<std::string> files_of(const std::filesystem::path& snapshot);

 private:
  Repository repository_;
  std::filesystem::path cache_;
  std::filesystem::path folder_;
};

/// The repositories of models that have a folder in a cache, sorted.
std::vector<Repository> repositories_in(const std::filesystem::path& cache);

}  // namespace semblance
