#include "hub/inventory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>

#include "core/error.h"
#include "hub/digest.h"
#include "hub/pull.h"
#include "weights/checkpoint.h"
#include "weights/identify.h"
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

/// Whether a file is of use here. An unreadable file is not.
bool is_usable(const fs::path& path) {
  try {
    const FileIdentity identity = identify(open_weight_file(path));
    switch (identity.kind) {
      case FileKind::kCheckpoint:
      case FileKind::kUNet:
      case FileKind::kLora:
        return identity.family == ModelFamily::kSdxl;
      default:
        return identity.kind == FileKind::kVae;
    }
  } catch (const Error&) {
    return false;
  }
}

/// Whether a part in diffusers format is a VAE.
bool is_vae(const KeptModel& model) {
  for (const std::string& file : model.files) {
    if (!has_weight_extension(file)) continue;
    try {
      return identify(open_weight_file(model.folder / file)).kind == FileKind::kVae;
    } catch (const Error&) {
      return false;
    }
  }
  return false;
}

KeptModel single_file_in(const Places& places, const ModelName& name) {
  const CachedRepository cached(places.cache, *name.repository);
  KeptModel model;
  model.name = name;
  model.layout = ModelLayout::kFile;
  const auto snapshot = cached.find_snapshot();
  std::error_code none;
  if (!snapshot || !fs::is_regular_file(*snapshot / name.file, none)) {
    model.lacking = {name.file};
    return model;
  }
  model.folder = *snapshot;
  model.files = {name.file};
  model.storage = *snapshot / name.file;
  model.stored_bytes = fs::file_size(model.storage, none);
  return model;
}

/// The files in a repository that are models of their own, besides those of `model`.
std::vector<KeptModel> single_files_in(const Places& places, const KeptModel& model) {
  std::vector<KeptModel> found;
  if (model.folder.empty()) return found;
  const bool is_model =
      model.layout == ModelLayout::kSdxl || model.layout == ModelLayout::kInstantId;
  for (const std::string& file : CachedRepository::files_of(model.folder)) {
    const bool is_part = is_model && std::ranges::find(model.files, file) != model.files.end();
    if (!is_part && has_own_name(file) && is_usable(model.folder / file))
      found.push_back(single_file_in(places, {model.name.repository, file}));
  }
  return found;
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
    std::vector<KeptModel> files = single_files_in(places, model);
    // The file of a model of one file is listed by its own name.
    const bool is_model = model.layout != ModelLayout::kNone && model.layout != ModelLayout::kFile;
    if (is_model ? model.layout != ModelLayout::kPart || is_vae(model)
                 : model.folder.empty() && model.incomplete_bytes > 0)
      models.push_back(std::move(model));
    std::ranges::move(files, std::back_inserter(models));
  }
  if (auto pack = face_pack_in(places)) models.push_back(std::move(*pack));
  return models;
}

std::optional<KeptModel> find_kept(const Places& places, const ModelName& name) {
  if (!name.repository) return face_pack_in(places);
  std::error_code none;
  if (!fs::exists(CachedRepository(places.cache, *name.repository).folder(), none))
    return std::nullopt;
  if (name.file.empty()) return repository_in(places, *name.repository);
  KeptModel model = single_file_in(places, name);
  return model.is_whole() ? std::optional(std::move(model)) : std::nullopt;
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

namespace {

/// Removes a file in a snapshot, and the blob to which it links unless another file does, too.
void remove_file(const CachedRepository& cached, const fs::path& file, std::error_code& error) {
  std::error_code none;
  const fs::path blob = fs::is_symlink(file, none) ? fs::canonical(file, none) : fs::path();
  if (!fs::remove(file, error) || blob.empty()) return;
  for (const fs::path& snapshot : cached.snapshots()) {
    for (const std::string& other : CachedRepository::files_of(snapshot)) {
      if (fs::canonical(snapshot / other, none) == blob) return;
    }
  }
  fs::remove(blob, error);
}

}  // namespace

void remove_kept(const Places& places, const KeptModel& model) {
  std::error_code error;
  std::vector<fs::path> locks;
  fs::path part;
  if (model.name.repository) {
    const CachedRepository cached(places.cache, *model.name.repository);
    const fs::path folder = places.cache / ".locks" / cached.folder().filename();
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
  if (model.name.file.empty()) {
    fs::remove_all(model.storage, error);
  } else {
    remove_file({places.cache, *model.name.repository}, model.storage, error);
  }
  if (!error && !part.empty()) fs::remove(part, error);
  if (error) {
    fail(ErrorKind::kDevice, "cannot remove {}: {}: {}", model.name.text(), model.storage.string(),
         error.message());
  }
}

}  // namespace semblance
