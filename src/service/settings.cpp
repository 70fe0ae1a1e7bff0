#include "service/settings.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "app/settings_json.h"
#include "app/subject.h"
#include "core/error.h"
#include "pipeline/hires.h"
#include "service/http.h"

namespace semblance::service {
namespace {

using nlohmann::json;

/// The result of `read`, with its errors as HTTP errors.
template <typename F>
JobRequest job_settings(F&& read) {
  try {
    JobRequest settings;
    PictureCounts counts;
    static_cast<Request&>(settings) = read(&counts);
    settings.count = counts.count;
    settings.best_of = counts.best_of;
    return settings;
  } catch (const SettingsError& error) {
    throw HttpError(error, error.key());
  }
}

}  // namespace

JobRequest read_settings(const json& value) {
  return job_settings([&](PictureCounts* counts) {
    return semblance::read_settings(value, Asker::kService, counts);
  });
}

JobRequest parse_settings(std::string_view text) {
  // Two prompts with each byte written as \u0001, and the other settings.
  constexpr std::size_t kLimitBytes = 2 * 6 * kMostPromptBytes + (std::size_t{16} << 10U);
  if (text.size() > kLimitBytes) {
    throw HttpError(
        413, "too_large",
        fmt::format("expected settings of at most {} bytes, got {}", kLimitBytes, text.size()),
        "settings");
  }
  return job_settings([&](PictureCounts* counts) {
    return semblance::parse_settings(text, Asker::kService, counts);
  });
}

json to_json(const JobRequest& settings) {
  json all = json::object();
  each_job_parameter(
      [&all](const Parameter& row, const auto& member) {
        using T = std::decay_t<decltype(member)>;
        const std::optional<PlainOf<T>> value = member;
        json& place = all[std::string(row.name)];
        if (!value || (row.zero_is_absent && *value == PlainOf<T>{})) return;
        if constexpr (std::is_same_v<PlainOf<T>, float>) {
          place = as_written(*value);
        } else {
          place = plain(*value);
        }
      },
      settings);
  return all;
}

Request request_of(const JobRequest& settings, const RequestDefaults& defaults) {
  return defaults.complete(settings);
}

namespace {

SizeChoice choice_of(const Request& settings) {
  if (settings.width == 0) return {};
  return {SizeRule::kFixed, {settings.width, settings.height}};
}

Size within_limit(Size size) {
  const int most = most_of_job(parameters::kWidth);
  if (std::max(size.w, size.h) > most) {
    fail(ErrorKind::kArgument,
         "cannot make a picture of {}x{}, the photo's shape: a side is at most {}\n  set width and "
         "height",
         size.w, size.h, most);
  }
  return size;
}

}  // namespace

Size size_of(const JobRequest& settings, Size frame, int native_side) {
  const Size size = picture_size(choice_of(settings), frame, native_side);
  Request request = settings;
  request.width = size.w;
  request.height = size.h;
  within_limit(finished_size(request));
  return within_limit(size);
}

Size size_from(const InitialPicture& initial, const Request& settings, int native_side) {
  return within_limit(initial.size(choice_of(settings), settings, native_side));
}

}  // namespace semblance::service
