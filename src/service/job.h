// A job: a request for pictures, from the queue to its results, and its JSON.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "image/image.h"
#include "pipeline/warnings.h"
#include "service/settings.h"

namespace semblance::service {

enum class JobState : std::uint8_t { kQueued, kRunning, kDone, kFailed, kCancelled };

/// "queued", "running", "done", "failed", "cancelled".
std::string_view name_of(JobState state);
/// Throws Error(kCorrupt) for another name.
JobState job_state(std::string_view name);

/// In milliseconds, as in the database: nanoseconds would end in the year 2262.
using Time = std::chrono::sys_time<std::chrono::milliseconds>;
Time now();
std::int64_t unix_seconds(Time time);

/// The latest time for time_text(): the end of the year 9999.
inline constexpr std::int64_t kMostTimeMs = 253'402'300'799'999;

struct JobError {
  std::string code;  // an ErrorKind's name
  std::string message;
  std::string param = {};  // "photo", "pose", "init", "mask" or "control" if that is the cause
};

struct JobPicture {
  Size size = {};
  std::uint64_t seed = 0;
  std::optional<double> likeness = {};  // absent: not measured, or it shows no face
};

/// No sampler takes more steps for one picture of a job.
inline constexpr int kMostJobSteps =
    2 * (2 * static_cast<int>(parameters::kSteps.service.most) + 1);

/// A job's progress that survives a crash.
struct JobGain {
  int pictures = 0;  // finished ones, those included that were not kept
  int step = 0;      // the saved step of the next one
  auto operator<=>(const JobGain&) const = default;
};

/// Why a running job is waiting.
struct Waiting {
  std::string message;  // the device's error
  int tries = 0;        // failed ones
};

/// How far a job is, for whoever waits for it.
struct Progress {
  std::optional<int> position = {};  // jobs ahead of it, while it is queued
  int step = 0;                      // of the current picture
  int steps = 0;  // of each picture, once it is known: some samplers take more than requested
  std::string stage = {};
  std::optional<Waiting> waiting = {};
  std::optional<double> seconds_left = {};
  std::optional<double> seconds_planned = {};
  std::optional<std::uint64_t> planned_bytes = {};
};

/// What the queue knows of a job. All but its progress is kept on disk.
struct Job {
  std::string id = {};  // 20 random hexadecimal digits
  JobState state = JobState::kQueued;
  Time created = {};
  std::optional<Time> started = {};
  std::optional<Time> ended = {};
  JobRequest request = {};                // without its photos
  std::vector<JobPicture> pictures = {};  // finished ones
  /// Of the next picture: how many of its best_of are made, and the one that is kept so far.
  int tried = 0;
  JobPicture best = {};
  /// About its settings and the model; known once the job has begun.
  std::vector<Warning> warnings = {};
  int begun = 0;      // consecutive starts that neither ended, nor were stopped, nor gained a step
  JobGain gain = {};  // the largest found at any start
  std::optional<JobError> error = {};
  Progress progress = {};

  /// Pictures made so far, those included that were not kept.
  int made() const { return static_cast<int>(pictures.size()) * request.best_of + tried; }
  int to_make() const { return request.count * request.best_of; }
  bool ended_already() const { return state != JobState::kQueued && state != JobState::kRunning; }
};

/// The steps of each of the job's pictures.
int steps_of(const Job& job);

/// "2026-01-31T12:00:00.123Z", RFC 3339. The time must be from 0 to kMostTimeMs.
std::string time_text(Time time);

/// The JSON of GET /api/jobs/{id}.
nlohmann::json to_json(const Job& job);
/// The same with shortened prompts, for lists and events.
nlohmann::json short_json(Job job);

/// The most bytes of a prompt in lists and events.
inline constexpr std::size_t kShortPromptBytes = 1000;
/// Cuts longer prompts between two characters and appends an ellipsis.
void shorten_prompts(JobRequest& request);

inline constexpr int kMostFace = 1000;
/// The most bytes of kept_text(): two prompts of 64 KiB with each byte escaped, and an error.
inline constexpr std::size_t kMostKeptBytes = std::size_t{1} << 20U;

/// The part of a job that the store keeps as text, and its parser. Throws Error(kCorrupt), with a
/// UTF-8 message, for any text that kept_text() would not write: wrong types, ranges or number of
/// pictures.
std::string kept_text(const Job& job);
void take_kept_text(Job& job, std::string_view text);

}  // namespace semblance::service
