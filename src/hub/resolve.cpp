#include "hub/resolve.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <span>

#include "core/error.h"
#include "hub/catalog.h"
#include "hub/model_folders.h"
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

/// What a flag takes.
struct Wanted {
  std::string_view flag;
  std::span<const ModelLayout> layouts;
  std::span<const ModelKind> kinds = {};  // in --models-dir
  std::string_view part = {};             // of a snapshot

  bool takes(ModelLayout layout) const {
    return std::ranges::find(layouts, layout) != layouts.end();
  }
};

/// The path of a snapshot's model, if it is complete and `wanted`.
std::optional<fs::path> path_in(const fs::path& snapshot, const std::string& file,
                                const Wanted& wanted, std::vector<std::string>& lacking) {
  const Selection selection = select_files(CachedRepository::files_of(snapshot), file);
  lacking = selection.lacking;
  if (selection.layout == ModelLayout::kNone) lacking = {"all of its files"};
  if (!wanted.takes(selection.layout) || !lacking.empty()) return std::nullopt;
  if (selection.layout == ModelLayout::kFile) return snapshot / selection.files.front();
  return wanted.part.empty() ? snapshot : snapshot / wanted.part;
}

/// The same of the named snapshot; otherwise nullopt, with the missing files in `lacking`.
std::optional<fs::path> find_whole(const Places& places, const ModelName& name,
                                   const Wanted& wanted, std::vector<std::string>& lacking) {
  const auto snapshot = CachedRepository(places.cache, *name.repository).find_snapshot();
  return snapshot ? path_in(*snapshot, name.file, wanted, lacking) : std::nullopt;
}

/// "--base a/b@COMMIT" for each complete snapshot of another commit.
std::vector<std::string> others_by_name(const Wanted& wanted, const CachedRepository& cached,
                                        const std::string& file) {
  std::vector<std::string> names;
  std::vector<std::string> lacking;
  for (const fs::path& snapshot : cached.snapshots()) {
    if (!path_in(snapshot, file, wanted, lacking)) continue;
    names.push_back(fmt::format("{} {}@{}{}{}", wanted.flag, cached.repository().id(),
                                snapshot.filename().string(), file.empty() ? "" : "/", file));
  }
  return names;
}

/// Throws Error(kMissing) if refs/ names a missing snapshot, listing the complete ones.
void refuse_absent_commit(const Wanted& wanted, const CachedRepository& cached,
                          const std::string& file, const std::string& command) {
  const std::string commit = cached.named_commit();
  if (commit.empty()) return;
  const std::vector<std::string> others = others_by_name(wanted, cached, file);
  fail(ErrorKind::kMissing,
       "{}: {} names the commit {}, whose snapshot is missing\n  {} downloads it{}{}", wanted.flag,
       cached.ref().string(), printable(commit), command,
       others.empty() ? "" : "; to use an existing snapshot, name its commit: ",
       fmt::join(others, ", or "));
}

/// The file of a name in --models-dir.
std::optional<fs::path> find_file(const fs::path& models_dir, const Wanted& wanted,
                                  const std::string& name) {
  if (models_dir.empty() || wanted.kinds.empty()) return std::nullopt;
  return ModelFolders(models_dir, "--models-dir").find(wanted.kinds, name);
}

/// The path of a named model.
fs::path resolve_named(const Wanted& wanted, const fs::path& named, const fs::path& models_dir,
                       LazyPlaces& places, IfMissing if_missing) {
  if (named.empty() || is_there(named)) return named;
  if (const auto file = find_file(models_dir, wanted, named.string())) return *file;
  const auto model = find_model(named.string());
  if (!model) {
    if (models_dir.empty() || wanted.kinds.empty() || if_missing == IfMissing::kKeep) return named;
    fail(ErrorKind::kMissing, "{}: '{}' is neither a path nor a file in {}{}", wanted.flag,
         named.string(), models_dir.string(),
         ModelFolders(models_dir, "--models-dir").closest(wanted.kinds, named.string()));
  }
  std::vector<std::string> lacking;
  if (const auto path = find_whole(places(), *model, wanted, lacking)) return *path;
  if (if_missing == IfMissing::kKeep) return named;
  const std::string command = "`semblance models pull " + pull_name(*model) + "`";
  if (!lacking.empty()) {
    fail(ErrorKind::kMissing, "{}: {} in {} lacks {}\n  {} downloads it", wanted.flag,
         model->repository->text(), places().cache.string(), fmt::join(lacking, ", "), command);
  }
  refuse_absent_commit(wanted, CachedRepository(places().cache, *model->repository), model->file,
                       command);
  fail(ErrorKind::kMissing, "{}: '{}' is neither a path nor a model in {}\n  {} downloads it",
       wanted.flag, named.string(), places().cache.string(), command);
}

constexpr ModelLayout kModel[] = {ModelLayout::kSdxl, ModelLayout::kFile};
constexpr ModelLayout kInstantId[] = {ModelLayout::kInstantId};
constexpr ModelLayout kFile[] = {ModelLayout::kFile};
constexpr ModelLayout kPart[] = {ModelLayout::kPart, ModelLayout::kSdxl, ModelLayout::kFile};
constexpr ModelKind kCheckpoints[] = {ModelKind::kCheckpoint, ModelKind::kUNet};
constexpr ModelKind kUNets[] = {ModelKind::kUNet, ModelKind::kCheckpoint};
constexpr ModelKind kVaes[] = {ModelKind::kVae, ModelKind::kCheckpoint};
constexpr ModelKind kEncoders[] = {ModelKind::kTextEncoders, ModelKind::kCheckpoint};

constexpr Wanted kBase{"--base", kModel, kCheckpoints};
constexpr Wanted kIdentityNet{"--identitynet", kInstantId, {}, "ControlNetModel"};
constexpr Wanted kAdapter{"--adapter", kInstantId, {}, "ip-adapter.bin"};
constexpr Wanted kUNet{"--unet", kFile, kUNets};
constexpr Wanted kVae{"--vae", kPart, kVaes};
constexpr Wanted kTextEncoders{"--text-encoders", kModel, kEncoders};

}  // namespace

namespace {

/// The LCM-LoRA, or empty. It may not be needed, so no error is one.
fs::path find_lcm(LazyPlaces& places) {
  try {
    std::vector<std::string> lacking;
    return find_whole(places(), lcm_lora(), {"", kFile}, lacking).value_or(fs::path());
  } catch (const Error&) {
    return {};
  }
}

}  // namespace

NamedModels resolve_models(NamedModels named, IfMissing if_missing) {
  LazyPlaces places;
  for (const auto& [wanted, path] :
       {std::pair(&kBase, &named.base), std::pair(&kIdentityNet, &named.identitynet),
        std::pair(&kAdapter, &named.adapter), std::pair(&kUNet, &named.unet),
        std::pair(&kVae, &named.vae), std::pair(&kTextEncoders, &named.text_encoders)})
    *path = resolve_named(*wanted, *path, named.models_dir, places, if_missing);
  if (!named.base.empty() && (named.identitynet.empty() || named.adapter.empty())) {
    std::vector<std::string> lacking;
    const fs::path network = kIdentityNet.part, adapter = kAdapter.part;
    const Wanted whole{"", kInstantId};
    auto folder = find_whole(places(), {instantid_repository(), {}}, whole, lacking);
    const fs::path local = places().local_checkpoints;
    if (!folder && is_there(local / network) && is_there(local / adapter)) folder = local;
    if (folder && named.identitynet.empty()) named.identitynet = *folder / network;
    if (folder && named.adapter.empty()) named.adapter = *folder / adapter;
  }
  if (!named.base.empty()) named.lcm = find_lcm(places);
  named.face_models = resolve_face_models(named.face_models, if_missing);
  return named;
}

fs::path resolve_face_models(const fs::path& named, IfMissing if_missing) {
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
  if (!named.empty() && if_missing == IfMissing::kRefuse) {
    fail(ErrorKind::kMissing,
         "--face-models: antelopev2 not found in {} or {}\n  `semblance models pull antelopev2` "
         "downloads it",
         places.face_models.string(), places.local_face_models.string());
  }
  return named;
}

}  // namespace semblance
