#include "service/model_shop.h"

#include <algorithm>
#include <array>
#include <system_error>

#include "app/parameters.h"
#include "core/error.h"
#include "hub/inventory.h"
#include "hub/model_folders.h"
#include "service/http.h"

namespace semblance::service {
namespace {

constexpr std::array<const char*, 3> kForPhotos{"sdxl", "instantid", "antelopev2"};
constexpr std::chrono::seconds kLookEvery{10};

std::vector<ModelName> names_for_photos() {
  std::vector<ModelName> all;
  all.reserve(kForPhotos.size());
  for (const char* name : kForPhotos) all.push_back(parse_model_name(name));
  return all;
}

bool is_at_work(ModelShop::Phase phase) {
  return phase == ModelShop::Phase::kListing || phase == ModelShop::Phase::kDownloading;
}

}  // namespace

std::string_view name_of(ModelShop::Phase phase) {
  constexpr std::array<std::string_view, 6> kPhases{"idle", "listing", "downloading",
                                                    "done", "failed",  "cancelled"};
  return kPhases.at(static_cast<std::size_t>(phase));
}

bool ModelShop::View::is_whole() const {
  return std::ranges::all_of(stock, [](const Stock& each) { return each.is_whole; });
}

ModelShop::ModelShop(std::function<Places()> places, PullOptions options, OtherPlaces others)
    : places_(std::move(places)), options_(std::move(options)), other_places_(std::move(others)) {}

std::vector<OtherModel> ModelShop::others() const {
  const std::lock_guard guard(looking_);
  const auto now = std::chrono::steady_clock::now();
  if (!looked_ || now - *looked_ > kLookEvery) {
    others_ = find_others();
    looked_ = now;
  }
  return others_;
}

std::vector<OtherModel> ModelShop::find_others() const {
  const Places places = places_();
  const std::string published = kForPhotos.front();
  std::vector<OtherModel> found;
  const auto add = [&](std::string name, const std::filesystem::path& path, std::uint64_t bytes) {
    if (std::ranges::find(found, path, &OtherModel::path) != found.end()) return;
    const bool is_taken = name == kDemoName || name == kPhotosName ||
                          std::ranges::find(found, name, &OtherModel::name) != found.end();
    if (is_taken) name = path.string();
    found.push_back({std::move(name), path, bytes});
  };
  const auto sdxl = find_kept(places, parse_model_name(published));
  const std::filesystem::path& started = other_places_.started;
  std::error_code no_file;
  if (!started.empty() && !(sdxl && sdxl->path() == started)) {
    const bool is_file = std::filesystem::is_regular_file(started, no_file);
    add(model_name(started), started, is_file ? std::filesystem::file_size(started, no_file) : 0);
  }
  for (const KeptModel& model : kept_models(places)) {
    if (!model.is_whole() || pull_name(model.name) == published) continue;
    const bool is_base = model.layout == ModelLayout::kSdxl ||
                         (model.layout == ModelLayout::kFile && is_checkpoint(model.path()));
    if (is_base) add(model.name.text(), model.path(), model.stored_bytes);
  }
  if (other_places_.models_dir.empty()) return found;
  for (const ModelFile& file : ModelFolders(other_places_.models_dir, "--models-dir").files()) {
    const bool may_be = file.kind == ModelKind::kCheckpoint || file.kind == ModelKind::kLoose;
    if (may_be && is_checkpoint(file.path)) add(file.name, file.path, file.bytes);
  }
  return found;
}

ModelShop::View ModelShop::view() const {
  const Places places = places_();
  View view;
  for (const ModelName& name : names_for_photos()) {
    const auto kept = find_kept(places, name);
    view.stock.push_back({.name = pull_name(name),
                          .licence = licence_text(name, "", places.endpoint),
                          .stored_bytes = kept ? kept->stored_bytes : 0,
                          .is_whole = kept && kept->is_whole()});
  }
  view.free_bytes = options_.free_bytes(places.cache);
  const std::lock_guard guard(mutex_);
  view.phase = phase_;
  view.progress = progress_;
  view.problem = problem_;
  return view;
}

void ModelShop::pull() {
  const std::lock_guard guard(mutex_);
  if (is_at_work(phase_))
    throw HttpError(409, "busy", "cannot download: a download is already running");
  if (thread_.joinable()) thread_.join();  // it has ended, but for its last line
  progress_ = {};
  problem_.clear();
  try {
    thread_ = std::jthread([this](const std::stop_token& stop) { download(stop); });
  } catch (const std::system_error& error) {
    fail(ErrorKind::kDevice, "cannot start the download: {}", error.what());
  }
  phase_ = Phase::kListing;
}

void ModelShop::cancel() {
  const std::lock_guard guard(mutex_);
  thread_.request_stop();
}

void ModelShop::set(Phase phase, std::string problem) {
  const std::lock_guard guard(mutex_);
  phase_ = phase;
  problem_ = std::move(problem);
}

void ModelShop::download(const std::stop_token& stop) {
  { const std::lock_guard until_pull_has_returned(mutex_); }
  try {
    DownloadHooks hooks;
    hooks.stop = stop;
    hooks.progress = [this](const DownloadProgress& progress) {
      const std::lock_guard guard(mutex_);
      progress_ = progress;
    };
    Puller puller(places_(), options_, hooks);
    const std::vector<PlannedModel> models = puller.plan(names_for_photos());
    set(Phase::kDownloading);
    puller.download_all(models);
    set(Phase::kDone);
  } catch (const Error& error) {
    const bool is_cancelled = error.kind() == ErrorKind::kCancelled;
    set(is_cancelled ? Phase::kCancelled : Phase::kFailed, is_cancelled ? "" : error.what());
  } catch (const std::exception& error) {
    set(Phase::kFailed, error.what());
  }
}

}  // namespace semblance::service
