// The models on this machine: listing, verifying and removing them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "hub/catalog.h"
#include "hub/places.h"
#include "hub/selection.h"

namespace semblance {

struct KeptModel {
  ModelName name;
  ModelLayout layout = ModelLayout::kNone;  // kNone: the face models, or a partial download
  std::filesystem::path folder;             // of the model's files; empty: none yet
  std::filesystem::path storage;            // everything stored for it
  std::uint64_t stored_bytes = 0;           // disk usage of `storage`
  std::uint64_t incomplete_bytes = 0;       // of partial downloads
  std::vector<std::string> files = {};      // files used, relative to `folder`
  std::vector<std::string> lacking = {};
  bool is_whole() const { return !files.empty() && lacking.empty(); }
  /// What the models' flags take.
  std::filesystem::path path() const { return name.file.empty() ? folder : folder / name.file; }
};

/// The models in the cache and in the folder of face models that this program can use, sorted by
/// name; checkpoints, UNets, VAEs and LoRAs in single files are models, too. Other repositories in
/// the cache are skipped.
std::vector<KeptModel> kept_models(const Places& places);
/// One of them, if anything of it is stored.
std::optional<KeptModel> find_kept(const Places& places, const ModelName& name);

/// Reads all bytes of a model and compares their checksums with the blob names in the cache, or
/// with the published ones. Returns a line for each wrong file: "FILE: expected SHA-256 ..., got
/// ...". Files without a known checksum (a copy instead of a link) are passed to `unknown`, the
/// numbers of bytes read to `seen`. Throws what reading throws, and Error(kCancelled).
std::vector<std::string> wrong_files(const KeptModel& model,
                                     const std::function<void(std::uint64_t)>& seen,
                                     const std::function<void(const std::string&)>& unknown,
                                     std::stop_token stop);

/// Removes everything stored for a model. Throws Error(kArgument) while it is being downloaded, and
/// Error(kDevice) if the disk fails.
void remove_kept(const Places& places, const KeptModel& model);

}  // namespace semblance
