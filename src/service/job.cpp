#include "service/job.h"

#include <fmt/chrono.h>

#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/json.h"
#include "core/short_text.h"
#include "service/http.h"
#include "service/or_null.h"
#include "text/unicode.h"

namespace semblance::service {
namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 5> kStates{"queued", "running", "done", "failed",
                                                  "cancelled"};

json time_or_null(const std::optional<Time>& time) {
  return time ? json(time_text(*time)) : json(nullptr);
}

/// A list of kCount whole numbers, each from 0 to its `most`.
template <std::size_t kCount>
std::array<std::uint64_t, kCount> numbers_of(const Json& kept, std::string_view key,
                                             const json& list,
                                             const std::array<std::uint64_t, kCount>& most) {
  std::array<std::uint64_t, kCount> numbers{};
  bool good = list.is_array() && list.size() == kCount;
  for (std::size_t i = 0; good && i < kCount; ++i) {
    good = list[i].is_number_unsigned() && list[i].get<std::uint64_t>() <= most[i];
    if (good) numbers[i] = list[i].get<std::uint64_t>();
  }
  if (!good) kept.refuse(key, fmt::format("{} whole numbers in their ranges", kCount));
  return numbers;
}

JobError error_of(const Json& kept) {
  const std::vector<std::string> error = kept.get_string_list("error");
  if (error.size() != 2 && error.size() != 3)
    kept.refuse("error", "a code, a message and optionally a part");
  const std::string param = error.size() == 3 ? error[2] : "";
  constexpr std::array<std::string_view, 5> kParts{"photo", "pose", "init", "mask", "control"};
  if (error.size() == 3 && std::ranges::find(kParts, param) == kParts.end())
    kept.refuse("error", "photo, pose, init, mask or control as the third");
  for (int kind = 0; kind <= static_cast<int>(ErrorKind::kInternal); ++kind) {
    if (error[0] == name_of(static_cast<ErrorKind>(kind))) return {error[0], error[1], param};
  }
  kept.refuse("error", "a known code and a message");
}

json kept_picture(const JobPicture& picture) {
  return {picture.size.w, picture.size.h, picture.seed, or_null(picture.likeness)};
}

json kept_warning(const Warning& warning) {
  return {{"code", code_of(warning.kind)},
          {"negative", warning.in_negative},
          {"tokens", warning.tokens},
          {"detail", warning.detail}};
}

Warning warning_of(const Json& kept) {
  const auto kind = warning_kind(kept.get_string("code"));
  if (!kind) kept.refuse("code", "a known warning's code");
  Warning warning{.kind = *kind,
                  .in_negative = kept.get_bool("negative"),
                  .tokens = static_cast<int>(kept.get_int("tokens", {}, {0, 1'000'000})),
                  .detail = kept.get_string("detail")};
  if (warning.detail.size() > Warning::kMostDetailBytes) {
    kept.refuse("detail", fmt::format("text of at most {} bytes", Warning::kMostDetailBytes));
  }
  return warning;
}

json to_json(const Warning& warning) {
  const PromptNames names;
  json param = json(warning.in_negative ? names.negative : names.prompt);
  if (warning.kind == Warning::Kind::kSampler) param = nullptr;
  if (warning.kind == Warning::Kind::kLoraLayers) param = parameters::kLoras.name;
  if (warning.kind == Warning::Kind::kPeopleOverlap) param = parameters::kPeople.name;
  return {{"code", code_of(warning.kind)},
          {"param", std::move(param)},
          {"message", text_of(warning, language())},
          {"detail", warning.detail}};
}

void read_kept(Job& job, const Json& kept) {
  constexpr int kMostBegun = 1'000'000;
  constexpr std::uint64_t kAnySeed = ~std::uint64_t{0};
  const auto most = [](const Parameter& row) {
    return static_cast<std::uint64_t>(most_of(row, Asker::kService));
  };
  const std::uint64_t width = most(parameters::kWidth);
  const std::uint64_t height = most(parameters::kHeight);
  job.request = read_settings(kept.child("settings").value());
  const auto count = static_cast<std::uint64_t>(job.to_make());
  job.request.face = static_cast<int>(kept.get_int("face", {}, {0, kMostFace}));
  job.request.keep_photo = kept.get_bool("keep_photo");
  job.begun = static_cast<int>(kept.get_int("begun", {}, {0, kMostBegun}));
  if (kept.has("gain")) {  // absent in what version 1 wrote
    const auto [pictures, step] = numbers_of<2>(kept, "gain", kept.child("gain").value(),
                                                {count, std::uint64_t{kMostJobSteps}});
    job.gain = {static_cast<int>(pictures), static_cast<int>(step)};
  }
  const auto picture_of = [&](const json& value) {
    // The likeness is absent in what earlier versions wrote.
    const bool has_likeness = value.is_array() && value.size() == 4;
    const json numbers = has_likeness ? json(value.begin(), value.begin() + 3) : value;
    const auto [w, h, seed] = numbers_of<3>(kept, "pictures", numbers, {width, height, kAnySeed});
    if (w == 0 || h == 0) kept.refuse("pictures", "sides of at least 1");
    JobPicture picture{{static_cast<int>(w), static_cast<int>(h)}, seed};
    if (!has_likeness || value[3].is_null()) return picture;
    if (!value[3].is_number() || std::abs(value[3].get<double>()) > 1)
      kept.refuse("pictures", "a likeness from -1 to 1");
    picture.likeness = value[3].get<double>();
    return picture;
  };
  for (const Json& picture : kept.child("pictures").items())
    job.pictures.push_back(picture_of(picture.value()));
  if (kept.has("tried")) {
    job.tried = static_cast<int>(kept.get_int("tried", {}, {1, job.request.best_of}));
    job.best = picture_of(kept.child("best").value());
  }
  if (static_cast<int>(job.pictures.size()) > job.request.count)
    kept.refuse("pictures", "at most as many as were requested");
  if (kept.has("warnings")) {  // absent in what earlier versions wrote
    for (const Json& warning : kept.child("warnings").items())
      job.warnings.push_back(warning_of(warning));
  }
  if (kept.has("error")) job.error = error_of(kept);
}

}  // namespace

std::string_view name_of(JobState state) { return kStates[static_cast<std::size_t>(state)]; }

JobState job_state(std::string_view name) {
  for (std::size_t i = 0; i < kStates.size(); ++i) {
    if (kStates[i] == name) return static_cast<JobState>(i);
  }
  fail(ErrorKind::kCorrupt, "there is no job state '{}'", encode_utf8(decode_utf8_lossy(name)));
}

Time now() {
  return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

std::int64_t unix_seconds(Time time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

int steps_of(const Job& job) {
  return job.progress.steps > 0 ? job.progress.steps : job.request.step_count();
}

std::string time_text(Time time) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z",
                     fmt::gmtime(static_cast<std::time_t>(unix_seconds(time))),
                     time.time_since_epoch().count() % 1000);
}

json to_json(const Job& job) {
  const Progress& progress = job.progress;
  json pictures = json::array();
  for (std::size_t i = 0; i < job.pictures.size(); ++i) {
    const JobPicture& picture = job.pictures[i];
    pictures.push_back({{"url", fmt::format("/api/jobs/{}/images/{}", job.id, i)},
                        {"width", picture.size.w},
                        {"height", picture.size.h},
                        {"seed", picture.seed},
                        {"likeness", or_null(picture.likeness)}});
  }
  json warnings = json::array();
  for (const Warning& warning : job.warnings) warnings.push_back(to_json(warning));
  return {{"id", job.id},
          {"state", name_of(job.state)},
          {"position", or_null(progress.position)},
          {"created", time_text(job.created)},
          {"started", time_or_null(job.started)},
          {"ended", time_or_null(job.ended)},
          {"settings", to_json(job.request)},
          {"face", job.request.face},
          {"keep_photo", job.request.keep_photo},
          {"image", job.pictures.size()},
          {"step", progress.step},
          {"steps", steps_of(job)},
          {"stage", progress.stage},
          {"waiting", progress.waiting ? json{{"message", progress.waiting->message},
                                              {"tries", progress.waiting->tries}}
                                       : json(nullptr)},
          {"seconds_left", or_null(progress.seconds_left)},
          {"seconds_planned", or_null(progress.seconds_planned)},
          {"planned_bytes", or_null(progress.planned_bytes)},
          {"images", std::move(pictures)},
          {"warnings", std::move(warnings)},
          {"error", job.error ? json{{"message", job.error->message},
                                     {"code", job.error->code},
                                     {"param", job.error->param.empty() ? json(nullptr)
                                                                        : json(job.error->param)}}
                              : json(nullptr)}};
}

json short_json(Job job) {
  shorten_prompts(job.request);
  return to_json(job);
}

void shorten_prompts(JobRequest& request) {
  const auto shorten = [](std::string& prompt) {
    prompt = short_text(prompt, kShortPromptBytes, "\u2026");
  };
  shorten(request.prompt);
  if (request.negative) shorten(*request.negative);
}

std::string kept_text(const Job& job) {
  json pictures = json::array();
  for (const JobPicture& picture : job.pictures) pictures.push_back(kept_picture(picture));
  json warnings = json::array();
  for (const Warning& warning : job.warnings) warnings.push_back(kept_warning(warning));
  json kept{{"settings", to_json(job.request)},
            {"face", job.request.face},
            {"keep_photo", job.request.keep_photo},
            {"begun", job.begun},
            {"gain", {job.gain.pictures, job.gain.step}},
            {"pictures", std::move(pictures)},
            {"warnings", std::move(warnings)}};
  if (job.tried > 0) kept["tried"] = job.tried, kept["best"] = kept_picture(job.best);
  if (job.error) kept["error"] = {job.error->code, job.error->message};
  if (job.error && !job.error->param.empty()) kept["error"].push_back(job.error->param);
  return kept.dump(-1, ' ', false, json::error_handler_t::replace);
}

void take_kept_text(Job& job, std::string_view text) {
  // Messages quote text that may be cut in the middle of a character.
  const auto damaged = [&](std::string_view why) {
    fail(ErrorKind::kCorrupt, "cannot read job {}: {}", job.id,
         encode_utf8(decode_utf8_lossy(why)));
  };
  try {
    if (text.size() > kMostKeptBytes) {
      fail(ErrorKind::kCorrupt, "expected at most {} bytes, got {}", kMostKeptBytes, text.size());
    }
    decode_utf8(text, "its text");
    read_kept(job, Json::parse("its text", text).expect_object());
  } catch (const Error& error) {
    damaged(error.what());
  } catch (const HttpError& error) {  // from read_settings()
    damaged(error.what());
  }
}

}  // namespace semblance::service
