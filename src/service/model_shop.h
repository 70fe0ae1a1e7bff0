// The models for photos, SDXL with InstantID and insightface's face models: what of them is on this
// machine, and their download, one at a time, on a thread of its own. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "hub/pull.h"

namespace semblance::service {

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
                     PullOptions options = {});

  /// Throws what places_of_environment() throws.
  View view() const;
  /// Starts the download, or continues an interrupted one. Throws HttpError 409 while it runs.
  void pull();
  /// Stops the download; what has arrived stays.
  void cancel();

 private:
  void download(const std::stop_token& stop);
  void set(Phase phase, std::string problem = {});

  std::function<Places()> places_;
  PullOptions options_;
  mutable std::mutex mutex_;  // guards what follows
  Phase phase_ = Phase::kIdle;
  DownloadProgress progress_ = {};
  std::string problem_;
  std::jthread thread_;
};

/// "idle", "listing", "downloading", "done", "failed", "cancelled".
std::string_view name_of(ModelShop::Phase phase);

}  // namespace semblance::service
