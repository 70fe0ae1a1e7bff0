#include "hub/pull.h"

#include <fmt/ranges.h>
#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <optional>

#include "core/error.h"
#include "core/percent.h"
#include "core/stop.h"
#include "hub/listing.h"
#include "hub/selection.h"
#include "hub/unpack.h"
#include "memory/budget.h"
#include "memory/file.h"
#include "weights/checkpoint.h"
#include "weights/names.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostListBytes = std::size_t{16} << 20;

/// Up to ten weight files of a repository, for a message.
std::string weight_files_of(const std::vector<std::string>& paths) {
  constexpr std::size_t kMostShown = 10;
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    if (has_weight_extension(path) && files.size() <= kMostShown) files.push_back(printable(path));
  }
  if (files.size() > kMostShown) files.back() = "...";
  return fmt::format("{}", fmt::join(files, ", "));
}

/// Checks that a repository is a complete model, or has the wanted file.
Selection usable_files(const ModelName& name, const Listing& listing) {
  const Repository& repository = *name.repository;
  std::vector<std::string> paths;
  for (const RemoteFile& file : listing.files) paths.push_back(file.path);
  Selection selection = select_files(paths, name.file);
  const std::string files = weight_files_of(paths);
  if (!name.file.empty() && !selection.lacking.empty()) {
    fail(ErrorKind::kMissing, "{} has no file {}{}", repository.text(), name.file,
         files.empty() ? "" : fmt::format("\n  it has {}", files));
  }
  if (selection.layout == ModelLayout::kNone) {
    fail(ErrorKind::kMissing,
         "{} is not a usable model: expected an SDXL model in diffusers format (model_index.json, "
         "unet/, ...), InstantID's files, or one weight file{}",
         repository.text(),
         files.empty()
             ? ""
             : fmt::format("\n  name one of its files, as {}/FILE: {}", repository.text(), files));
  }
  if (!selection.lacking.empty()) {
    fail(ErrorKind::kMissing, "{} is not a complete {} model: it lacks {}", repository.text(),
         selection.layout == ModelLayout::kSdxl ? "SDXL" : "InstantID",
         fmt::join(selection.lacking, ", "));
  }
  return selection;
}

/// With --local, an existing file must be the requested one, since it may be the user's own.
void check_local(const Download& download, const DownloadHooks& hooks) {
  std::error_code none;
  if (!fs::exists(download.target, none)) return;
  const bool same =
      fs::is_regular_file(download.target, none) &&
      fs::file_size(download.target, none) == download.bytes &&
      digest_of_file(download.target, download.digest.kind, {}, hooks.stop) == download.digest.hex;
  if (same) return;
  fail(ErrorKind::kArgument,
       "cannot download {}: {} already exists and is a different file\n  move or remove it",
       download.request.what, download.target.string());
}

dev_t device_of(const fs::path& folder) {
  fs::path there = fs::absolute(folder);
  std::error_code none;
  while (!fs::exists(there, none) && there.has_relative_path()) there = there.parent_path();
  struct stat status {};
  return stat(there.c_str(), &status) == 0 ? status.st_dev : 0;
}

/// Makes a link, atomically replacing an existing file.
void make_link(const fs::path& target, const fs::path& link) {
  make_folder(link.parent_path());
  const fs::path text = target.lexically_relative(link.parent_path());
  std::error_code error;
  if (fs::is_symlink(link, error) && fs::read_symlink(link, error) == text) return;
  const fs::path beside = temporary_name(link);
  fs::create_symlink(text, beside, error);
  if (!error) fs::rename(beside, link, error);
  if (error) {
    const std::string reason = error.message();
    fs::remove(beside, error);
    fail(ErrorKind::kDevice, "cannot link {}: {}", link.string(), reason);
  }
}

}  // namespace

std::uint64_t PlannedModel::bytes() const {
  std::uint64_t all = 0;
  for (const Download& each : downloads) all += each.bytes;
  return all;
}

std::uint64_t PlannedModel::bytes_to_come() const {
  std::uint64_t all = 0;
  for (const Download& each : downloads) all += semblance::bytes_to_come(each);
  return all;
}

fs::path find_pack(const fs::path& folder, const FacePack& pack) {
  for (const fs::path& where : {folder / pack.name, folder / pack.name / pack.name}) {
    const bool all =
        std::all_of(pack.members.begin(), pack.members.end(), [&](const FacePack::Member& member) {
          std::error_code none;
          return fs::is_regular_file(where / member.name, none);
        });
    if (all) return where;
  }
  return {};
}

Puller::Puller(Places places, PullOptions options, DownloadHooks hooks)
    : places_(std::move(places)),
      options_(std::move(options)),
      hooks_(std::move(hooks)),
      fetcher_(options_.network, places_.endpoint, places_.token, hooks_.tell) {}

std::string Puller::fetch_text(FetchRequest request, std::size_t limit_bytes) {
  TextReceiver receiver(request.what, limit_bytes);
  const int fetch = fetcher_.start(std::move(request), receiver);
  try {
    while (!fetcher_.has_arrived(fetch)) {
      check_stop(hooks_.stop);
      fetcher_.turn(std::chrono::milliseconds(50));
    }
  } catch (...) {
    fetcher_.stop(fetch);
    throw;
  }
  return std::move(receiver.text);
}

PlannedModel Puller::plan_repository(const ModelName& name) {
  const Repository& repository = *name.repository;
  const std::string page = places_.endpoint + "/" + repository.id();
  const std::string what = "the file list of " + repository.text();
  constexpr int kAttempts = 3;  // fail soon if the server is down
  const std::string text =
      fetch_text({.url = fmt::format("{}/api/models/{}/revision/{}?blobs=true", places_.endpoint,
                                     repository.id(), percent_encoded(repository.revision)),
                  .what = what,
                  .page = page,
                  .attempts = std::min(kAttempts, options_.network.attempts)},
                 kMostListBytes);
  const Listing listing = parse_listing(what, text);
  const Selection selection = usable_files(name, listing);
  const CachedRepository cached(places_.cache, repository);

  PlannedModel model;
  model.name = name;
  model.commit = listing.commit;
  model.licence = licence_text(name, listing.licence, page);
  const bool in_subfolder =
      selection.layout == ModelLayout::kSdxl || selection.layout == ModelLayout::kPart;
  model.folder = !options_.local ? cached.snapshot(listing.commit)
                 : in_subfolder  ? places_.local_checkpoints / repository.name
                                 : places_.local_checkpoints;
  if (selection.layout == ModelLayout::kFile) model.file = selection.files.front();
  std::error_code none;
  model.is_new = !fs::exists(cached.folder(), none);
  if (!options_.local && repository.revision != listing.commit) model.ref = cached.ref();
  for (const RemoteFile& file : listing.files) {
    if (!std::binary_search(selection.files.begin(), selection.files.end(), file.path)) continue;
    const fs::path own = model.folder / file.path;
    Download download{
        .request = {.url = fmt::format("{}/{}/resolve/{}/{}", places_.endpoint, repository.id(),
                                       listing.commit, percent_encoded(file.path)),
                    .what = fmt::format("{} of {}", file.path, repository.id()),
                    .page = page},
        .target = own,
        .lock = {},
        .bytes = file.bytes,
        .digest = file.digest};
    // Tools that cannot create links put the file itself into the snapshot.
    const bool itself = !fs::is_symlink(own, none) && semblance::bytes_to_come(download) == 0;
    if (options_.local) {
      check_local(download, hooks_);
      model.is_new = model.is_new && !fs::exists(own, none);
    } else if (!itself) {
      download.target = cached.blob(file.digest.hex);
      download.lock = cached.lock(file.digest.hex);
    }
    model.downloads.push_back(std::move(download));
    model.links.push_back(own);
  }
  return model;
}

PlannedModel Puller::plan_face_pack() {
  const FacePack& pack = *options_.face_pack;
  const fs::path models = options_.local ? places_.local_face_models : places_.face_models;
  PlannedModel model;
  model.folder = models / pack.name;
  model.licence = licence_text(model.name, "", "");
  if (const fs::path there = find_pack(models, pack); !there.empty()) {
    model.folder = there;
    return model;
  }
  model.unpacked_bytes = pack.unpacked_bytes;
  Digest digest;
  parse_digest(pack.sha256, digest);
  model.downloads.push_back(
      {.request = {.url = places_.face_endpoint + pack.path,
                   .what = pack.name + ".zip of insightface",
                   .page = places_.face_endpoint + "/deepinsight/insightface"},
       .target = models / (pack.name + ".zip"),
       .lock = {},
       .bytes = pack.bytes,
       .digest = digest});
  std::error_code none;
  model.is_new = !fs::exists(incomplete_path(model.downloads[0].target), none);
  return model;
}

std::vector<PlannedModel> Puller::plan(const std::vector<ModelName>& names) {
  if (places_.offline) {
    fail(ErrorKind::kArgument, "cannot download: HF_HUB_OFFLINE is set\n  unset it first");
  }
  std::vector<PlannedModel> models;
  models.reserve(names.size());
  for (const ModelName& name : names)
    models.push_back(name.repository ? plan_repository(name) : plan_face_pack());
  return models;
}

void Puller::check_room(const std::vector<PlannedModel>& models) const {
  struct Room {
    fs::path folder;
    std::uint64_t bytes = 0;
  };
  std::map<dev_t, Room> rooms;
  for (const PlannedModel& model : models) {
    for (const Download& each : model.downloads) {
      Room& room = rooms[device_of(each.target.parent_path())];
      if (room.folder.empty()) room.folder = each.target.parent_path();
      room.bytes += room_needed(each);
    }
    if (model.unpacked_bytes > 0) rooms[device_of(model.folder)].bytes += model.unpacked_bytes;
  }
  for (const auto& [device, room] : rooms) {
    const std::uint64_t free = options_.free_bytes(room.folder);
    if (room.bytes <= free) continue;
    fail(ErrorKind::kDevice, "cannot download: {} needed in {}, {} free\n  free some space, or {}",
         bytes_text(room.bytes), room.folder.string(), bytes_text(free),
         options_.local ? "work in a folder on another disk"
                        : "set HF_HOME to a folder on another disk");
  }
}

void Puller::put_in_place(const PlannedModel& model, std::size_t file) const {
  if (model.links.empty() || options_.local) return;
  const fs::path& target = model.downloads[file].target;
  if (target != model.links[file]) make_link(target, model.links[file]);
}

void Puller::finish(const PlannedModel& model) const {
  if (model.unpacked_bytes > 0) {
    make_folder(model.folder);
    const fs::path& archive = model.downloads[0].target;
    unpack(archive, *options_.face_pack, model.folder, hooks_.stop);
    std::error_code none;
    fs::remove(archive, none);
  }
  if (model.ref.empty()) return;
  std::error_code none;
  if (fs::is_regular_file(model.ref, none) && read_small_file(model.ref, 4096) == model.commit)
    return;
  make_folder(model.ref.parent_path());
  OutputFile ref(model.ref);
  ref.write(std::string_view(model.commit));
  ref.commit();
}

void Puller::download_all(const std::vector<PlannedModel>& models) {
  check_room(models);
  std::vector<Download> downloads;
  struct Place {
    std::size_t model;
    std::size_t file;
  };
  std::vector<Place> places;
  std::vector<std::size_t> left;  // files of each model still to download
  for (std::size_t i = 0; i < models.size(); ++i) {
    left.push_back(models[i].downloads.size());
    for (std::size_t j = 0; j < models[i].downloads.size(); ++j) {
      downloads.push_back(models[i].downloads[j]);
      places.push_back({i, j});
    }
  }
  DownloadHooks hooks = hooks_;
  hooks.arrived = [&](std::size_t file) {
    const Place place = places[file];
    put_in_place(models[place.model], place.file);
    if (--left[place.model] == 0) finish(models[place.model]);
    hooks_.arrived(file);
  };
  download(downloads, fetcher_, options_.network, hooks);
}

}  // namespace semblance
