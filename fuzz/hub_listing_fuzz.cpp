// links: semblance_hub
// Any bytes as a hub's response give files that stay in the model's folder and include those that a
// model needs, or an Error. As a repository's name, its folders stay in the cache.
#include <algorithm>
#include <cstdlib>

#include "core/error.h"
#include "hub/listing.h"
#include "hub/repository.h"
#include "hub/selection.h"

namespace {

bool stays_in(const std::filesystem::path& folder, const std::filesystem::path& path) {
  const auto relative = path.lexically_normal().lexically_relative(folder);
  return !relative.empty() && *relative.begin() != ".." && *relative.begin() != ".";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace semblance;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto repository = parse_repository(text)) {
    const CachedRepository cached("/cache", *repository);
    for (const auto& path : {cached.folder(), cached.ref()}) {
      if (!stays_in("/cache", path)) std::abort();
    }
    if (parse_repository(repository->text()) != repository) std::abort();
  }
  try {
    const Listing listing = parse_listing("fuzz", text);
    std::vector<std::string> paths;
    for (const RemoteFile& file : listing.files) {
      if (!stays_in("/models/one", std::filesystem::path("/models/one") / file.path)) std::abort();
      if (file.bytes > kMostFileBytes) std::abort();
      paths.push_back(file.path);
    }
    const Selection selection = select_files(paths);
    if (!std::is_sorted(selection.files.begin(), selection.files.end())) std::abort();
    for (const std::string& file : selection.files) {
      if (std::find(paths.begin(), paths.end(), file) == paths.end()) std::abort();
    }
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kCorrupt) std::abort();
  }
  return 0;
}
