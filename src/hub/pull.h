// Downloads models: gets the file list from the hub, selects the files that are used, downloads the
// missing ones, and stores them where this program and the Python tools look.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "hub/catalog.h"
#include "hub/download.h"
#include "hub/fetch.h"
#include "hub/places.h"

namespace semblance {

struct PullOptions {
  bool local = false;  // into checkpoints/ and models/ instead of the cache
  NetworkOptions network = {};
  const FacePack* face_pack = &antelopev2();
  std::function<std::uint64_t(const std::filesystem::path&)> free_bytes = semblance::free_bytes;
};

/// One model, and what has to be downloaded.
struct PlannedModel {
  ModelName name;
  std::filesystem::path folder;              // of the model, once downloaded
  std::string file;                          // in it, if the model is one file
  std::string licence;                       // text to show
  bool is_new = false;                       // nothing of it is stored yet
  std::vector<Download> downloads;           // all its files, existing ones included
  std::vector<std::filesystem::path> links;  // in the cache: each file's path in the snapshot
  std::filesystem::path ref;                 // in the cache: file with the commit
  std::string commit;
  std::uint64_t unpacked_bytes = 0;  // of files to unpack from an archive
  std::uint64_t bytes() const;
  std::uint64_t bytes_to_come() const;
  /// What the models' flags take.
  std::filesystem::path path() const { return file.empty() ? folder : folder / file; }
};

class Puller {
 public:
  Puller(Places places, PullOptions options, DownloadHooks hooks);

  /// Queries the hub; writes nothing. Throws what Fetcher, parse_listing() and
  /// places_of_environment() throw, Error(kMissing) if a repository is not a usable model,
  /// Error(kArgument) when offline or if a local folder contains a different file.
  std::vector<PlannedModel> plan(const std::vector<ModelName>& names);
  /// Downloads the models. Throws Error(kDevice) if the disk has too little space, which is checked
  /// first, and what download() and unpack() throw.
  void download_all(const std::vector<PlannedModel>& models);

 private:
  PlannedModel plan_repository(const ModelName& name);
  PlannedModel plan_face_pack();
  void check_room(const std::vector<PlannedModel>& models) const;
  void put_in_place(const PlannedModel& model, std::size_t file) const;
  void finish(const PlannedModel& model) const;
  std::string fetch_text(FetchRequest request, std::size_t limit_bytes);

  Places places_;
  PullOptions options_;
  DownloadHooks hooks_;
  Fetcher fetcher_;
};

/// The folder with both members of the pack: `folder`/NAME, or nested once more as in the zip;
/// empty if they are missing.
std::filesystem::path find_pack(const std::filesystem::path& folder, const FacePack& pack);

}  // namespace semblance
