// Brings models onto this machine: asks the hub for the list of files, chooses those that are used,
// downloads what is not there, and puts it where this program and the Python tools look.
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

/// One model, and what it takes to have it.
struct PlannedModel {
  ModelName name;
  std::filesystem::path folder;              // where it is, once it is there
  std::string licence;                       // what a person is to be told
  bool is_new = false;                       // nothing of it is on this machine
  std::vector<Download> downloads;           // its files, those that are there too
  std::vector<std::filesystem::path> links;  // in the cache: each file's name in the snapshot
  std::filesystem::path ref;                 // in the cache: tells the commit
  std::string commit;
  std::uint64_t unpacked_bytes = 0;  // of an archive's files that are to be unpacked
  std::uint64_t bytes() const;
  std::uint64_t bytes_to_come() const;
};

class Puller {
 public:
  Puller(Places places, PullOptions options, DownloadHooks hooks);

  /// Asks the hub; nothing is written. Throws what Fetcher, parse_listing() and the environment
  /// tell, Error(kMissing) where a repository is no model that can be used, Error(kArgument) when
  /// offline, and where another file lies in a local folder.
  std::vector<PlannedModel> plan(const std::vector<ModelName>& names);
  /// Throws Error(kDevice) where the disk has too little room, which is looked at first, and what
  /// download() and unpack() throw.
  void run(const std::vector<PlannedModel>& models);

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

/// The folder with both members of the pack, below `folder` or nested once more as its zip has it;
/// empty where they are not there.
std::filesystem::path find_pack(const std::filesystem::path& folder, const FacePack& pack);

}  // namespace semblance
