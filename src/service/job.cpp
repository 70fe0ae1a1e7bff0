#include "service/job.h"

#include <fmt/chrono.h>

#include <array>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "service/http.h"

namespace semblance::service {
namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 5> kStates{"queued", "running", "done", "failed",
                                                  "cancelled"};

json time_or_null(const std::optional<Time>& time) {
  return time ? json(time_text(*time)) : json(nullptr);
}

template <typename T>
json or_null(const std::optional<T>& value) {
  return value ? json(*value) : json(nullptr);
}

}  // namespace

std::string_view name_of(JobState state) { return kStates[static_cast<std::size_t>(state)]; }

JobState job_state(std::string_view name) {
  for (std::size_t i = 0; i < kStates.size(); ++i) {
    if (kStates[i] == name) return static_cast<JobState>(i);
  }
  fail(ErrorKind::kCorrupt, "there is no job state '{}'", name);
}

std::string time_text(Time time) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch());
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z",
                     fmt::gmtime(static_cast<std::time_t>(ms.count() / 1000)), ms.count() % 1000);
}

json to_json(const Job& job, const Progress& progress, std::optional<int> position) {
  json pictures = json::array();
  for (std::size_t i = 0; i < job.pictures.size(); ++i) {
    const JobPicture& picture = job.pictures[i];
    pictures.push_back({{"url", fmt::format("/api/jobs/{}/images/{}", job.id, i)},
                        {"width", picture.size.w},
                        {"height", picture.size.h},
                        {"seed", picture.seed}});
  }
  return {{"id", job.id},
          {"state", name_of(job.state)},
          {"position", or_null(position)},
          {"created", time_text(job.created)},
          {"started", time_or_null(job.started)},
          {"ended", time_or_null(job.ended)},
          {"settings", to_json(job.settings)},
          {"face", job.face},
          {"keep_photo", job.keep_photo},
          {"image", job.pictures.size()},
          {"step", progress.step},
          {"steps", job.settings.steps},
          {"stage", progress.stage},
          {"seconds_left", or_null(progress.seconds_left)},
          {"seconds_planned", or_null(progress.seconds_planned)},
          {"planned_bytes", or_null(progress.planned_bytes)},
          {"images", std::move(pictures)},
          {"error", job.error ? json{{"message", job.error->message}, {"code", job.error->code}}
                              : json(nullptr)}};
}

std::string kept_text(const Job& job) {
  json pictures = json::array();
  for (const JobPicture& picture : job.pictures)
    pictures.push_back({picture.size.w, picture.size.h, picture.seed});
  json kept{{"settings", to_json(job.settings)},
            {"face", job.face},
            {"keep_photo", job.keep_photo},
            {"begun", job.begun},
            {"pictures", std::move(pictures)}};
  if (job.error) kept["error"] = {job.error->code, job.error->message};
  return kept.dump(-1, ' ', false, json::error_handler_t::replace);
}

void take_kept_text(Job& job, std::string_view text) {
  try {
    const json kept = json::parse(text);
    job.settings = read_settings(kept.at("settings"));
    job.face = kept.at("face").get<int>();
    job.keep_photo = kept.at("keep_photo").get<bool>();
    job.begun = kept.at("begun").get<int>();
    for (const json& picture : kept.at("pictures")) {
      job.pictures.push_back({{picture.at(0).get<int>(), picture.at(1).get<int>()},
                              picture.at(2).get<std::uint64_t>()});
    }
    if (kept.contains("error"))
      job.error = {kept["error"].at(0).get<std::string>(), kept["error"].at(1).get<std::string>()};
  } catch (const json::exception& error) {
    fail(ErrorKind::kCorrupt, "cannot read job {}: {}", job.id, error.what());
  } catch (const HttpError& error) {
    fail(ErrorKind::kCorrupt, "cannot read job {}: {}", job.id, error.what());
  }
}

}  // namespace semblance::service
