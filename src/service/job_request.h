// What other services' requests come to: one job of ours. Plain values, no queue and no model.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/request.h"
#include "service/http.h"

namespace semblance::service {

/// What a job asks for: a picture, of which sides, guidance and seed may be left open, and how
/// many.
struct JobSettings : Request {
  int count = 1;
};

/// each_parameter() with the row of the count.
template <typename F, typename... S>
constexpr void each_job_parameter(F&& f, S&... s) {
  each_parameter(f, s...);
  f(parameters::kCount, s.count...);
}

/// What a job can have, as a whole number.
inline int most_of_job(const Parameter& row) {
  return static_cast<int>(most_of(row, Asker::kService));
}

struct JobRequest {
  JobSettings settings = {};
  std::string photo = {};  // a picture's file, as it came
  std::optional<std::string> pose = {};
  // What the request calls the two, for errors.
  std::string photo_name = "photo";
  std::string pose_name = "pose";
  /// What was asked for and has no effect here, in words: to be given back with the result.
  std::vector<std::string> warnings = {};
};

/// A picture that was made.
struct MadePicture {
  Body base64 = {};  // its file, in the format that was asked for, in base64
  int width = 0;
  int height = 0;
  std::uint64_t seed = 0;
  std::string url = {};
};

/// Throws HttpError 400 for values of `settings` that no job can have.
void check_settings(
    const JobSettings& settings,
    const ParameterNames& name_of = [](const Parameter& row) { return std::string(row.name); });

/// The same for one prompt, before it is copied anywhere.
void check_prompt(std::string_view field, std::string_view prompt);

/// HttpError 400 with code "argument": "cannot take FIELD: PROBLEM", as problem_of() says it.
[[noreturn]] void refuse_value(std::string_view field, std::string_view problem);

/// HttpError 400 with code "argument": "cannot take FIELD: RULE, got VALUE".
[[noreturn]] void refuse_field(std::string_view field, std::string_view rule,
                               std::string_view got = {});

}  // namespace semblance::service
