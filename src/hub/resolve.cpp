#include "hub/resolve.h"

#include <fmt/ranges.h>

#include <optional>

#include "core/error.h"
#include "hub/catalog.h"
#include "hub/places.h"
#include "hub/pull.h"
#include "hub/selection.h"
#include "weights/names.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;

bool is_there(const fs::path& path) {
  std::error_code none;
  return fs::exists(path, none);
}

/// The environment, read on first use.
class LazyPlaces {
 public:
  const Places& operator()() {
    if (!places_) places_ = places_of_environment();
    return *places_;
  }

 private:
  std::optional<Places> places_;
};

/// The snapshot, if its model is complete; otherwise nullopt, with the missing files in `lacking`.
std::optional<fs::path> find_whole(const Places& places, const Repository& repository,
                                   ModelLayout layout, std::vector<std::string>& lacking) {
  const auto snapshot = CachedRepository(places.cache, repository).find_snapshot();
  if (!snapshot) return std::nullopt;
  const Selection selection = select_files(CachedRepository::files_of(*snapshot));
  lacking = selection.lacking;
  if (selection.layout == ModelLayout::kNone) lacking = {"all of its files"};
  if (selection.layout != layout || !lacking.empty()) return std::nullopt;
  return snapshot;
}

/// "--base a/b@COMMIT" for each complete snapshot of another commit.
std::vector<std::string> others_by_name(const std::string& flag, const CachedRepository& cached,
                                        ModelLayout layout) {
  std::vector<std::string> names;
  for (const fs::path& snapshot : cached.snapshots()) {
    const Selection selection = select_files(CachedRepository::files_of(snapshot));
    if (selection.layout == layout && selection.lacking.empty()) {
      names.push_back(
          fmt::format("{} {}@{}", flag, cached.repository().id(), snapshot.filename().string()));
    }
  }
  return names;
}

/// Throws Error(kMissing) if refs/ names a missing snapshot, listing the complete ones.
void refuse_absent_commit(const std::string& flag, const CachedRepository& cached,
                          ModelLayout layout, const std::string& command) {
  const std::string commit = cached.named_commit();
  if (commit.empty()) return;
  const std::vector<std::string> others = others_by_name(flag, cached, layout);
  fail(ErrorKind::kMissing,
       "{}: {} names the commit {}, whose snapshot is missing\n  {} downloads it{}{}", flag,
       cached.ref().string(), printable(commit), command,
       others.empty() ? "" : "; to use an existing snapshot, name its commit: ",
       fmt::join(others, ", or "));
}

/// The path of a named model, or of `part` in its snapshot.
fs::path resolve_named(const std::string& flag, const fs::path& named, ModelLayout layout,
                       const fs::path& part, LazyPlaces& places, NotThere not_there) {
  const auto repository = find_repository(named.string());
  if (named.empty() || is_there(named) || !repository) return named;
  std::vector<std::string> lacking;
  if (const auto snapshot = find_whole(places(), *repository, layout, lacking))
    return part.empty() ? *snapshot : *snapshot / part;
  if (not_there == NotThere::kKeep) return named;
  const std::string command = "`semblance models pull " + pull_name(*repository) + "`";
  if (!lacking.empty()) {
    fail(ErrorKind::kMissing, "{}: {} in {} lacks {}\n  {} downloads it", flag, repository->text(),
         places().cache.string(), fmt::join(lacking, ", "), command);
  }
  refuse_absent_commit(flag, CachedRepository(places().cache, *repository), layout, command);
  fail(ErrorKind::kMissing, "{}: '{}' is neither a path nor a model in {}\n  {} downloads it", flag,
       named.string(), places().cache.string(), command);
}

}  // namespace

NamedModels resolve_models(NamedModels named, NotThere not_there) {
  LazyPlaces places;
  named.base = resolve_named("--base", named.base, ModelLayout::kSdxl, {}, places, not_there);
  const fs::path network = "ControlNetModel";
  const fs::path adapter = "ip-adapter.bin";
  named.identitynet = resolve_named("--identitynet", named.identitynet, ModelLayout::kInstantId,
                                    network, places, not_there);
  named.adapter = resolve_named("--adapter", named.adapter, ModelLayout::kInstantId, adapter,
                                places, not_there);
  if (!named.base.empty() && (named.identitynet.empty() || named.adapter.empty())) {
    std::vector<std::string> lacking;
    auto folder = find_whole(places(), instantid_repository(), ModelLayout::kInstantId, lacking);
    const fs::path local = places().local_checkpoints;
    if (!folder && is_there(local / network) && is_there(local / adapter)) folder = local;
    if (folder && named.identitynet.empty()) named.identitynet = *folder / network;
    if (folder && named.adapter.empty()) named.adapter = *folder / adapter;
  }
  named.face_models = resolve_face_models(named.face_models, not_there);
  return named;
}

fs::path resolve_face_models(const fs::path& named, NotThere not_there) {
  const FacePack& pack = antelopev2();
  if (!named.empty() && (is_there(named) || named != pack.name)) return named;
  Places places;
  try {
    places = places_of_environment();
  } catch (const Error&) {
    if (named.empty()) return named;  // they may not be needed
    throw;
  }
  for (const fs::path& folder : {places.face_models, places.local_face_models}) {
    if (fs::path found = find_pack(folder, pack); !found.empty()) return found;
  }
  if (!named.empty() && not_there == NotThere::kRefuse) {
    fail(ErrorKind::kMissing,
         "--face-models: antelopev2 not found in {} or {}\n  `semblance models pull antelopev2` "
         "downloads it",
         places.face_models.string(), places.local_face_models.string());
  }
  return named;
}

}  // namespace semblance
