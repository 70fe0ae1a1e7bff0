// A job: one request for pictures, from the queue to its results, and its JSON.
#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "image/image.h"
#include "service/settings.h"

namespace semblance::service {

enum class JobState : std::uint8_t { kQueued, kRunning, kDone, kFailed, kCancelled };

/// "queued", "running", "done", "failed", "cancelled".
std::string_view name_of(JobState state);
/// Throws Error(kCorrupt) for another name.
JobState job_state(std::string_view name);

using Time = std::chrono::system_clock::time_point;

struct JobError {
  std::string code;  // an ErrorKind's name
  std::string message;
};

struct JobPicture {
  Size size;
  std::uint64_t seed = 0;
};

/// What of a job is kept on disk.
struct Job {
  std::string id = {};  // 20 hexadecimal digits, not to be guessed
  JobState state = JobState::kQueued;
  Time created = {};
  std::optional<Time> started = {};
  std::optional<Time> ended = {};
  JobSettings settings = {};
  int face = 0;  // of the photo, the largest first
  bool keep_photo = false;
  std::string repeat_key = {};  // a request that comes again with it is this job; empty: none
  std::vector<JobPicture> pictures = {};  // those that are done
  int begun = 0;  // how often it was, without having ended or been stopped in order
  std::optional<JobError> error = {};

  bool ended_already() const { return state != JobState::kQueued && state != JobState::kRunning; }
};

/// What is known of the job that runs, and is not worth a place on disk.
struct Progress {
  int step = 0;  // of the picture in the making
  std::string stage = {};
  std::optional<double> seconds_left = {};
  std::optional<double> seconds_planned = {};
  std::optional<std::uint64_t> planned_bytes = {};
};

/// "2026-01-31T12:00:00.123Z", RFC 3339.
std::string time_text(Time time);

/// As GET /api/jobs/{id} gives it. `position`: how many stand before it in the queue.
nlohmann::json to_json(const Job& job, const Progress& progress, std::optional<int> position);

/// The part of a job that the store keeps as text, and back. Throws Error(kCorrupt).
std::string kept_text(const Job& job);
void take_kept_text(Job& job, std::string_view text);

}  // namespace semblance::service
