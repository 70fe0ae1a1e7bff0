#include "pipeline/named_files.h"

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

}  // namespace semblance
