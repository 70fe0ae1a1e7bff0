// A job: one request for pictures, from the queue to its results, and its JSON.
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

/// In milliseconds, as the database keeps it: nanoseconds end in the year 2262.
using Time = std::chrono::sys_time<std::chrono::milliseconds>;
Time now();
std::int64_t unix_seconds(Time time);

/// What time_text() can write: from 1970 to the end of the year 9999.
inline constexpr std::int64_t kMostTimeMs = 253'402'300'799'999;

struct JobError {
  std::string code;  // an ErrorKind's name
  std::string message;
  std::string param = {};  // "photo" or "pose" where that is the cause
};

struct JobPicture {
  Size size;
  std::uint64_t seed = 0;
};

/// No sampler takes more steps for one picture of a job.
inline constexpr int kMostJobSteps = 2 * static_cast<int>(parameters::kSteps.service.most) + 1;

/// How far a job has come, of what a crash does not take away.
struct JobGain {
  int pictures = 0;  // that are done
  int step = 0;      // of the next one, saved
  auto operator<=>(const JobGain&) const = default;
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
  std::string digest = {};      // of that request: 64 hexadecimal digits where there is a key
  std::vector<JobPicture> pictures = {};  // those that are done
  /// Of its settings and the model, known when the job has begun.
  std::vector<Warning> warnings = {};
  int begun = 0;      // starts in a row that neither ended, nor were stopped, nor gained a step
  JobGain gain = {};  // the most that any start found
  std::optional<JobError> error = {};

  bool ended_already() const { return state != JobState::kQueued && state != JobState::kRunning; }
};

/// Why a running job does not go on for the moment.
struct Waiting {
  std::string message;  // what the device said
  int tries = 0;        // that failed
};

/// What is known of the job that runs, and is not worth a place on disk.
struct Progress {
  int step = 0;   // of the picture in the making
  int steps = 0;  // of each picture, once it is known: some samplers take more than were asked for
  std::string stage = {};
  std::optional<Waiting> waiting = {};
  std::optional<double> seconds_left = {};
  std::optional<double> seconds_planned = {};
  std::optional<std::uint64_t> planned_bytes = {};
};

/// The steps of each of the job's pictures.
int steps_of(const Job& job, const Progress& progress);

/// "2026-01-31T12:00:00.123Z", RFC 3339. Of a time from 0 to kMostTimeMs.
std::string time_text(Time time);

/// As GET /api/jobs/{id} gives it. `position`: how many stand before it in the queue.
nlohmann::json to_json(const Job& job, const Progress& progress, std::optional<int> position);

/// Where many jobs are told of, or one many times, their prompts have at most this many bytes.
inline constexpr std::size_t kShortPromptBytes = 1000;
/// Cuts longer prompts between two characters, and puts an ellipsis there.
void shorten_prompts(JobSettings& settings);

inline constexpr int kMostFace = 1000;
/// Of the text that the store keeps: two prompts of 64 KiB, each byte escaped, and an error.
inline constexpr std::size_t kMostKeptBytes = std::size_t{1} << 20U;

/// The part of a job that the store keeps as text, and back. Throws Error(kCorrupt), whose message
/// is UTF-8, for a text of which any part is not as kept_text() writes it: types, ranges, the
/// number of pictures.
std::string kept_text(const Job& job);
void take_kept_text(Job& job, std::string_view text);

}  // namespace semblance::service
