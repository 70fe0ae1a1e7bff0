// The models on this machine: which there are, whether their bytes are right, and away with them.
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
  ModelLayout layout = ModelLayout::kNone;  // kNone: the face models, or a broken off download
  std::filesystem::path folder;             // of the model's files; empty: none are there yet
  std::filesystem::path storage;            // all that is kept of it
  std::uint64_t stored_bytes = 0;           // of all that is kept, on the disk
  std::uint64_t incomplete_bytes = 0;       // of downloads that broke off
  std::vector<std::string> files = {};      // that are used, below `folder`
  std::vector<std::string> lacking = {};
  bool is_whole() const { return !files.empty() && lacking.empty(); }
};

/// What the cache and the folder of face models hold that this program uses, sorted by name: other
/// repositories of the cache are passed over.
std::vector<KeptModel> kept_models(const Places& places);
/// One of them, where anything of it is there.
std::optional<KeptModel> find_kept(const Places& places, const ModelName& name);

/// Reads all bytes of a model and compares their checksums with those that the files are named by
/// in the cache, or with the published ones. Gives a line for each file that is not right: "FILE:
/// its SHA-256 is ..., must be ...". A file without a checksum (a copy instead of a link) is told
/// by `unknown`. `seen` hears of bytes that were read. Throws what reading throws,
/// Error(kCancelled).
std::vector<std::string> wrong_files(const KeptModel& model,
                                     const std::function<void(std::uint64_t)>& seen,
                                     const std::function<void(const std::string&)>& unknown,
                                     std::stop_token stop);

/// Removes all that is kept of a model. Throws Error(kArgument) while it is downloaded, and
/// Error(kDevice) where the disk refuses.
void remove_kept(const Places& places, const KeptModel& model);

}  // namespace semblance
