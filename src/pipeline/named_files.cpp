#include "pipeline/named_files.h"

#include <algorithm>
#include <cstdlib>

#include "core/error.h"

namespace semblance {

namespace fs = std::filesystem;

std::vector<fs::path> default_folders(const fs::path& base, std::string_view name) {
  std::vector<fs::path> folders;
  if (!base.empty()) {
    const fs::path whole = fs::absolute(base).lexically_normal();
    folders.push_back((whole.has_filename() ? whole : whole.parent_path()).parent_path() / name);
  }
  const char* const data = std::getenv("XDG_DATA_HOME");
  const char* const home = std::getenv("HOME");
  if (data != nullptr && *data != '\0') {
    folders.push_back(fs::path(data) / "semblance" / name);
  } else if (home != nullptr && *home != '\0') {
    folders.push_back(fs::path(home) / ".local/share/semblance" / name);
  }
  return folders;
}

fs::path given_folder(const fs::path& given, std::string_view inside, std::string_view flag,
                      std::string_view files) {
  std::error_code ignored;
  if (!fs::is_directory(given, ignored)) {
    fail(ErrorKind::kMissing, "cannot open {} {}: it is no folder\n  give a folder with {}", flag,
         given.string(), files);
  }
  const fs::path installed = given / inside;
  return fs::is_directory(installed, ignored) ? installed : given;
}

std::vector<fs::path> models_under(
    const fs::path& folder, const std::function<bool(const fs::directory_entry&)>& is_model) {
  constexpr int kMostDepth = 6;  // of folders
  constexpr std::size_t kMostModels = 50'000;
  std::vector<fs::path> found;
  std::error_code error;
  const auto options = fs::directory_options::skip_permission_denied |
                       fs::directory_options::follow_directory_symlink;
  for (fs::recursive_directory_iterator entry(folder, options, error), end;
       !error && entry != end && found.size() < kMostModels; entry.increment(error)) {
    const bool is_found = is_model(*entry);
    if (is_found) found.push_back(entry->path());
    if (is_found || entry.depth() >= kMostDepth) entry.disable_recursion_pending();
  }
  std::ranges::sort(found);
  return found;
}

bool is_plain_name(std::string_view name) {
  constexpr std::size_t kMostBytes = 255;
  return name.find_first_of("/\\") == name.npos && !name.starts_with('.') &&
         name.size() <= kMostBytes;
}

}  // namespace semblance
