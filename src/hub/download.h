// Files from a server to the disk, several at once: each is written beside its place and gets its
// name when its last byte has come and its checksum is right, so that it is there whole or not at
// all. What came of one that broke off stays, as NAME.incomplete, and the next download, of this
// program or another process, goes on from there.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "hub/digest.h"
#include "hub/fetch.h"

namespace semblance {

struct Download {
  FetchRequest request;
  std::filesystem::path target;
  std::filesystem::path lock;  // held while it is downloaded, by whichever process; empty: target's
  std::uint64_t bytes = 0;
  Digest digest;
};

struct DownloadProgress {
  std::uint64_t bytes = 0;  // that are on the disk, of all files
  std::uint64_t total_bytes = 0;
  std::size_t files = 0;
  std::size_t total_files = 0;
  double bytes_per_second = 0;  // of the last seconds; 0: not known yet
  double seconds_left = -1;     // below 0: not known yet
  std::string now;              // what is under way
};

struct DownloadHooks {
  std::function<void(const std::string&)> tell = [](const std::string&) {};
  std::function<void(const DownloadProgress&)> progress = [](const DownloadProgress&) {};
  /// A file is there now, by its place among the downloads.
  std::function<void(std::size_t)> arrived = [](std::size_t) {};
  std::stop_token stop = {};
};

/// The file that holds what came of a download that is not whole.
std::filesystem::path incomplete_path(const std::filesystem::path& target);

/// How many bytes of it are still to come: 0 where target is there with its size.
std::uint64_t bytes_to_come(const Download& download);

/// The room on the disk that it still takes. A download takes all its room when it begins, so that
/// this is less than what is to come where one broke off.
std::uint64_t room_needed(const Download& download);

/// Downloads all. A target that is there with its size is left alone. Throws what Fetcher tells,
/// Error(kCorrupt) where the server's bytes have another size or checksum than they should,
/// Error(kDevice) where the disk is full or fails, Error(kCancelled) after `stop`.
void download(const std::vector<Download>& downloads, Fetcher& fetcher,
              const NetworkOptions& options, const DownloadHooks& hooks);

/// The room on the disk of a folder that may not be there yet.
std::uint64_t free_bytes(const std::filesystem::path& folder);

}  // namespace semblance
