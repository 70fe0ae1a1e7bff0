#include "hub/repository.h"

#include <algorithm>

#include "core/ascii.h"
#include "core/error.h"
#include "hub/digest.h"
#include "memory/file.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFolderStart = "models--";
constexpr std::size_t kMostRepositoryFiles = 100'000;

/// Whether the hub allows this as a part of a repository's name or as a revision.
bool is_name(std::string_view text) {
  const bool letters = std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
  return letters && !text.empty() && text.size() <= 96 && text.front() != '.' &&
         text.front() != '-' && text.back() != '.' && text.find("--") == std::string_view::npos &&
         text.find("..") == std::string_view::npos;
}

}  // namespace

std::string Repository::text() const { return id() + (revision == "main" ? "" : "@" + revision); }

std::optional<Repository> parse_repository(std::string_view text) {
  Repository repository;
  if (const std::size_t at = text.find('@'); at != std::string_view::npos) {
    repository.revision = text.substr(at + 1);
    text = text.substr(0, at);
  }
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  repository.owner = text.substr(0, slash);
  repository.name = text.substr(slash + 1);
  if (!is_name(repository.owner) || !is_name(repository.name) || !is_name(repository.revision))
    return std::nullopt;
  return repository;
}

bool is_safe_path(std::string_view path) {
  if (path.empty() || path.size() > 1024) return false;
  std::size_t begin = 0;
  while (begin <= path.size()) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view part = path.substr(begin, end - begin);
    if (part.empty() || part == "." || part == ".." || part.size() > 255) return false;
    begin = end + 1;
  }
  return std::all_of(path.begin(), path.end(), [](char c) {
    return static_cast<unsigned char>(c) >= ' ' && c != '\x7f' && c != '\\';
  });
}

CachedRepository::CachedRepository(fs::path cache, Repository repository)
    : repository_(std::move(repository)),
      cache_(std::move(cache)),
      folder_(cache_ / (std::string(kFolderStart) + repository_.owner + "--" + repository_.name)) {}

fs::path CachedRepository::blob(std::string_view checksum) const {
  return folder_ / "blobs" / checksum;
}

fs::path CachedRepository::lock(std::string_view checksum) const {
  return cache_ / ".locks" / folder_.filename() / (std::string(checksum) + ".lock");
}

fs::path CachedRepository::snapshot(std::string_view commit) const {
  return folder_ / "snapshots" / commit;
}

fs::path CachedRepository::ref() const { return folder_ / "refs" / repository_.revision; }

std::string CachedRepository::named_commit() const {
  std::error_code none;
  if (!fs::is_regular_file(ref(), none)) return {};
  return std::string(trimmed(read_small_file(ref(), 4096), " \t\r\n"));
}

std::optional<fs::path> CachedRepository::find_snapshot() const {
  std::error_code none;
  const std::string named = named_commit();
  const std::string& commit = named.empty() ? repository_.revision : named;
  if (is_hex(commit, 40)) {
    const fs::path folder = snapshot(commit);
    if (fs::is_directory(folder, none)) return folder;
    return std::nullopt;
  }
  if (repository_.revision != "main" || !named.empty()) return std::nullopt;
  std::optional<fs::path> newest;
  for (const fs::path& folder : snapshots()) {
    if (!newest || fs::last_write_time(*newest, none) < fs::last_write_time(folder, none))
      newest = folder;
  }
  return newest;
}

std::vector<fs::path> CachedRepository::snapshots() const {
  std::vector<fs::path> found;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder_ / "snapshots", none)) {
    if (is_hex(entry.path().filename().string(), 40) && entry.is_directory(none))
      found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::vector<std::string> CachedRepository::files_of(const fs::path& snapshot) {
  std::vector<std::string> files;
  std::error_code none;
  for (const auto& entry : fs::recursive_directory_iterator(snapshot, none)) {
    if (entry.is_regular_file(none))
      files.push_back(entry.path().lexically_relative(snapshot).string());
    if (files.size() > kMostRepositoryFiles) break;
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<Repository> repositories_in(const fs::path& cache) {
  std::vector<Repository> found;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(cache, none)) {
    std::string name = entry.path().filename().string();
    if (!name.starts_with(kFolderStart) || !entry.is_directory(none)) continue;
    name = name.substr(kFolderStart.size());
    const std::size_t dashes = name.find("--");
    if (dashes == std::string::npos) continue;
    if (auto repository = parse_repository(name.replace(dashes, 2, "/")))
      found.push_back(std::move(*repository));
  }
  std::sort(found.begin(), found.end(),
            [](const Repository& a, const Repository& b) { return a.id() < b.id(); });
  return found;
}

}  // namespace semblance
