#include "service/job_files.h"

#include <fmt/core.h>

#include <vector>

#include "memory/file.h"

namespace semblance::service {
namespace {

namespace fs = std::filesystem;

bool is_picture(const std::string& name) {
  const std::size_t digits = name.find_first_not_of("0123456789");
  return digits != 0 && digits != name.npos &&
         (name.substr(digits) == ".png" || name.substr(digits) == ".webp");
}

/// "photo", "photo-2.json", "pose", "init", "control-1", ...
bool is_of_the_photos(std::string_view name) {
  if (name.ends_with(".json")) name.remove_suffix(5);
  if (name == "photo" || name == "pose" || name == "init" || name == "mask") return true;
  const auto is_numbered = [name](std::string_view kind) {
    return name.starts_with(kind) && name.size() > kind.size() &&
           name.find_first_not_of("0123456789", kind.size()) == name.npos;
  };
  return is_numbered("photo-") || is_numbered("control-") || is_numbered("region-");
}

void remove_all_of(const std::vector<fs::path>& paths) {
  std::error_code ignored;
  for (const fs::path& path : paths) fs::remove(path, ignored);  // removes links, not their targets
}

/// Calls see(name, path, is_file) for every entry of the folder.
template <typename F>
void look_through(const fs::path& folder, F&& see) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const bool is_file = entry.symlink_status(ignored).type() == fs::file_type::regular;
    see(entry.path().filename().string(), entry.path(), is_file);
  }
}

}  // namespace

fs::path JobFiles::face_in(const fs::path& photo) { return fs::path(photo) += ".json"; }

fs::path JobFiles::photo(std::size_t n) const {
  return folder_ / (n == 0 ? "photo" : fmt::format("photo-{}", n + 1));
}

fs::path JobFiles::control(std::size_t n) const {
  return folder_ / fmt::format("control-{}", n + 1);
}

fs::path JobFiles::region(std::size_t n) const { return folder_ / fmt::format("region-{}", n + 1); }

fs::path JobFiles::picture(std::size_t n) const { return folder_ / fmt::format("{}.png", n); }

fs::path JobFiles::small_picture(std::size_t n) const {
  return folder_ / fmt::format("{}.webp", n);
}

void JobFiles::tidy(const Job& job) const {
  sweep_folder(folder_, [](const std::string& name) {
    return is_picture(name) || is_of_the_photos(name) || name == "run.resume";
  });
  if (!job.ended_already()) return;
  std::vector<fs::path> unwanted;
  look_through(folder_, [&](const std::string& name, const fs::path& path, bool) {
    if (name == "run.resume" || (is_of_the_photos(name) && !job.request.keep_photo))
      unwanted.push_back(path);
  });
  remove_all_of(unwanted);
}

void sweep_folder(const fs::path& folder, const std::function<bool(const std::string&)>& is_ours) {
  std::vector<fs::path> unwanted;
  look_through(folder, [&](const std::string& name, const fs::path& path, bool is_file) {
    if (is_temporary_name(name) || (!is_file && is_ours(name))) unwanted.push_back(path);
  });
  remove_all_of(unwanted);
}

}  // namespace semblance::service
