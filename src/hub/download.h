// Downloads files from a server, several at once. Each is written as NAME.incomplete and gets its
// final name only when it is complete and its checksum is right. An interrupted download leaves
// NAME.incomplete, and the next download, by this or another process, continues it.
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
  std::filesystem::path lock;  // locked during the download, across processes; empty: beside target
  std::uint64_t bytes = 0;
  Digest digest;
};

struct DownloadProgress {
  std::uint64_t bytes = 0;  // on the disk, of all files
  std::uint64_t total_bytes = 0;
  std::size_t files = 0;
  std::size_t total_files = 0;
  double bytes_per_second = 0;  // over the last seconds; 0: unknown yet
  double seconds_left = -1;     // below 0: unknown yet
  std::string now;              // the current file
};

struct DownloadHooks {
  std::function<void(const std::string&)> tell = [](const std::string&) {};
  std::function<void(const DownloadProgress&)> progress = [](const DownloadProgress&) {};
  /// A file is complete; its index among the downloads.
  std::function<void(std::size_t)> arrived = [](std::size_t) {};
  std::stop_token stop = {};
};

/// The file that holds a partial download.
std::filesystem::path incomplete_path(const std::filesystem::path& target);

/// Bytes still to download; 0 if the target exists with the right size.
std::uint64_t bytes_to_come(const Download& download);

/// Disk space still needed. A download reserves all its space at the start, so for an interrupted
/// one this is less than bytes_to_come().
std::uint64_t room_needed(const Download& download);

/// Downloads everything; targets that exist with the right size are skipped. Throws what Fetcher
/// throws, Error(kCorrupt) for a wrong size or checksum, Error(kDevice) if the disk is full or
/// fails, Error(kCancelled) after `stop`.
void download(const std::vector<Download>& downloads, Fetcher& fetcher,
              const NetworkOptions& options, const DownloadHooks& hooks);

/// Makes a folder and those above it. Throws Error(kDevice).
void make_folder(const std::filesystem::path& folder);

/// Free disk space for a folder, which need not exist yet.
std::uint64_t free_bytes(const std::filesystem::path& folder);

}  // namespace semblance
