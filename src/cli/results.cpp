#include "cli/results.h"

#include <nlohmann/json.hpp>

#include "app/parameters.h"
#include "cli/outputs.h"
#include "face/likeness.h"

namespace semblance::cli {

namespace fs = std::filesystem;

FoundFaces LikenessMeter::faces(const Image& picture, std::stop_token stop) const {
  return reader_->faces_of_result(picture, counts_.size(), std::move(stop));
}

std::optional<double> LikenessMeter::of(const FoundFaces& found) const {
  return likeness(found.faces, photos_, counts_);
}

bool is_better(const Candidate& next, const std::optional<Candidate>& best) {
  constexpr double kNoFace = -2;
  return !best || next.likeness.value_or(kNoFace) > best->likeness.value_or(kNoFace);
}

std::vector<fs::path> repeated(const std::vector<fs::path>& paths, int times) {
  std::vector<fs::path> all;
  for (const fs::path& path : paths) all.insert(all.end(), static_cast<std::size_t>(times), path);
  return all;
}

std::vector<fs::path> renumbered(const std::vector<fs::path>& paths, const fs::path& first) {
  std::vector<std::size_t> places;  // of each path in the numbered ones
  for (std::size_t i = 0; i < paths.size(); ++i)
    places.push_back(i == 0 ? 0 : places.back() + (paths[i] == paths[i - 1] ? 0 : 1));
  if (paths.empty()) return {first};
  const std::vector<fs::path> names = numbered(first, static_cast<int>(places.back()) + 1);
  std::vector<fs::path> renamed;
  for (const std::size_t place : places) renamed.push_back(names[place]);
  return renamed;
}

std::string result_json(const fs::path& path, Size size, const Candidate& result) {
  nlohmann::ordered_json json{{"path", path.string()},
                              {"width", size.w},
                              {"height", size.h},
                              {"seed", result.seed},
                              {"likeness", nullptr}};
  if (result.likeness) json["likeness"] = *result.likeness;
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace semblance::cli
