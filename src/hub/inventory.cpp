#include "hub/inventory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>

#include "core/error.h"
#include "hub/digest.h"
#include "hub/pull.h"
#include "weights/names.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kIncomplete = ".incomplete";

void count(const fs::path& folder, KeptModel& model) {
  std::error_code none;
  for (const auto& entry : fs::recursive_directory_iterator(folder, none)) {
    if (entry.is_symlink(none) || !entry.is_regular_file(none)) continue;
    const std::uint64_t bytes = entry.file_size(none);
    model.stored_bytes += bytes;
    if (entry.path().filename().string().ends_with(kIncomplete)) model.incomplete_bytes += bytes;
  }
}

KeptModel repository_in(const Places& places, const Repository& repository) {
  const CachedRepository cached(places.cache, repository);
  KeptModel model;
  model.name.repository = repository;
  model.storage = cached.folder();
  count(model.storage, model);
  const auto snapshot = cached.find_snapshot();
  if (!snapshot) {
    for (const fs::path& other : cached.snapshots())
      model.layout = std::max(model.layout, select_files(CachedRepository::files_of(other)).layout);
    if (model.layout != ModelLayout::kNone) {
      model.lacking = {fmt::format("the snapshot {} that refs/{} names",
                                   printable(cached.named_commit()), repository.revision)};
    }
    return model;
  }
  model.folder = *snapshot;
  Selection selection = select_files(CachedRepository::files_of(*snapshot));
  model.layout = selection.layout;
  model.files = std::move(selection.files);
  model.lacking = std::move(selection.lacking);
  return model;
}

std::optional<KeptModel> face_pack_in(const Places& places) {
  const FacePack& pack = antelopev2();
  KeptModel model;
  model.storage = places.face_models / pack.name;
  model.folder = find_pack(places.face_models, pack);
  count(model.storage, model);
  std::error_code none;
  const fs::path part = incomplete_path(places.face_models / (pack.name + ".zip"));
  if (fs::is_regular_file(part, none)) {
    model.incomplete_bytes = fs::file_size(part, none);
    model.stored_bytes += model.incomplete_bytes;
  }
  if (model.folder.empty() && model.stored_bytes == 0) return std::nullopt;
  for (const FacePack::Member& member : pack.members)
    (model.folder.empty() ? model.lacking : model.files).push_back(member.name);
  return model;
}

/// The expected checksum of a file: the name of the blob that it links to.
bool expected_digest(const fs::path& file, Digest& digest) {
  std::error_code none;
  return fs::is_symlink(file, none) &&
         parse_digest(fs::read_symlink(file, none).filename().string(), digest);
}

/// Whether a process holds the lock.
bool is_locked(const fs::path& lock) {
  const int descriptor = open(lock.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return false;
  const bool locked = flock(descriptor, LOCK_EX | LOCK_NB) != 0;
  close(descriptor);
  return locked;
}

}  // namespace

std::vector<KeptModel> kept_models(const Places& places) {
  std::vector<KeptModel> models;
  for (const Repository& repository : repositories_in(places.cache)) {
    KeptModel model = repository_in(places, repository);
    if (model.layout != ModelLayout::kNone || (model.folder.empty() && model.incomplete_bytes > 0))
      models.push_back(std::move(model));
  }
  if (auto pack = face_pack_in(places)) models.push_back(std::move(*pack));
  return models;
}

std::optional<KeptModel> find_kept(const Places& places, const ModelName& name) {
  if (!name.repository) return face_pack_in(places);
  std::error_code none;
  if (!fs::exists(CachedRepository(places.cache, *name.repository).folder(), none))
    return std::nullopt;
  return repository_in(places, *name.repository);
}

std::vector<std::string> wrong_files(const KeptModel& model,
                                     const std::function<void(std::uint64_t)>& seen,
                                     const std::function<void(const std::string&)>& unknown,
                                     std::stop_token stop) {
  std::vector<std::string> wrong;
  for (const std::string& name : model.files) {
    const fs::path file = model.folder / name;
    Digest must;
    bool known = expected_digest(file, must);
    if (!model.name.repository) {
      for (const FacePack::Member& member : antelopev2().members) {
        if (member.name == name) known = parse_digest(member.sha256, must);
      }
    }
    if (!known) {
      unknown(name);
      continue;
    }
    const std::string is = digest_of_file(file, must.kind, seen, stop);
    if (is != must.hex)
      wrong.push_back(
          fmt::format("{}: expected {} {}, got {}", name, title_of(must.kind), must.hex, is));
  }
  return wrong;
}

void remove_kept(const Places& places, const KeptModel& model) {
  std::error_code error;
  std::vector<fs::path> locks;
  fs::path part;
  if (model.name.repository) {
    const fs::path folder = places.cache / ".locks" / model.storage.filename();
    for (const auto& entry : fs::directory_iterator(folder, error)) locks.push_back(entry.path());
  } else {
    part = incomplete_path(places.face_models / (antelopev2().name + ".zip"));
    locks.push_back(part.string() + ".lock");
  }
  for (const fs::path& lock : locks) {
    if (!is_locked(lock)) continue;
    fail(ErrorKind::kArgument,
         "cannot remove {}: another process is downloading it\n  wait for it to finish, or stop it",
         model.name.text());
  }
  error.clear();
  fs::remove_all(model.storage, error);
  if (!error && !part.empty()) fs::remove(part, error);
  if (error) {
    fail(ErrorKind::kDevice, "cannot remove {}: {}: {}", model.name.text(), model.storage.string(),
         error.message());
  }
}

}  // namespace semblance
