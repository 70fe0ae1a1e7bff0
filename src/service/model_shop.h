// The models for photos, SDXL with InstantID and insightface's face models: what of them is on this
// machine, and their download, one at a time, on a thread of its own; and the other base models
// that are here. Thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "hub/pull.h"

namespace semblance::service {

/// What the API calls the demo model and the published SDXL with InstantID.
inline constexpr std::string_view kDemoName = "demo";
inline constexpr std::string_view kPhotosName = "photos";

/// A base model on this machine that can be used in place of the published SDXL.
struct OtherModel {
  std::string name;
  std::filesystem::path path;  // a diffusers folder or a checkpoint
  std::uint64_t bytes = 0;
};

/// Where there are such models, besides the hub's cache.
struct OtherPlaces {
  std::filesystem::path models_dir = {};  // of --models-dir; empty: none
  std::filesystem::path started = {};  // the base model of the program's start; empty: the demo's
};

class ModelShop {
 public:
  enum class Phase : std::uint8_t { kIdle, kListing, kDownloading, kDone, kFailed, kCancelled };

  struct Stock {
    std::string name;  // as `semblance models pull` takes it
    std::string licence;
    std::uint64_t stored_bytes = 0;
    bool is_whole = false;
  };
  struct View {
    Phase phase = Phase::kIdle;
    DownloadProgress progress = {};
    std::string problem = {};  // why the download failed
    std::vector<Stock> stock = {};
    std::uint64_t free_bytes = 0;  // of the disk
    bool is_whole() const;
  };

  explicit ModelShop(std::function<Places()> places = places_of_environment,
                     PullOptions options = {}, OtherPlaces others = {});

  /// Throws what places_of_environment() throws.
  View view() const;
  /// Looked for again if the last look was more than 10 seconds ago. Throws what kept_models() and
  /// ModelFolders throw.
  std::vector<OtherModel> others() const;
  /// Starts the download, or continues an interrupted one. Throws HttpError 409 while it runs.
  void pull();
  /// Stops the download; what has arrived stays.
  void cancel();

 private:
  void download(const std::stop_token& stop);
  void set(Phase phase, std::string problem = {});
  std::vector<OtherModel> find_others() const;

  std::function<Places()> places_;
  PullOptions options_;
  OtherPlaces other_places_;
  mutable std::mutex looking_;  // guards the next two
  mutable std::vector<OtherModel> others_;
  mutable std::optional<std::chrono::steady_clock::time_point> looked_;
  mutable std::mutex mutex_;  // guards what follows
  Phase phase_ = Phase::kIdle;
  DownloadProgress progress_ = {};
  std::string problem_;
  std::jthread thread_;
};

/// "idle", "listing", "downloading", "done", "failed", "cancelled".
std::string_view name_of(ModelShop::Phase phase);

}  // namespace semblance::service
