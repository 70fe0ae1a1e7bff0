// What other services' requests come to: one job of ours. Plain values, no queue and no model.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "service/http.h"

namespace semblance::service {

/// semblance::Settings with a count, and a seed that may be left to chance.
struct JobSettings {
  std::string prompt = {};
  std::optional<std::string> negative = {};
  int width = 0;  // 0: the photo's shape at the model's own area
  int height = 0;
  int steps = 30;
  std::optional<double> guidance = {};  // absent: the model's own
  double identity_strength = 0.8;
  double adapter_strength = 0.8;
  double identity_start = 0;
  double identity_end = 1;
  std::optional<std::uint64_t> seed = {};
  bool vae_tiling = false;
  int count = 1;
};

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

// What a job of ours can have, whoever asks.
inline constexpr int kMostSteps = 100;
inline constexpr int kMostPictures = 16;
inline constexpr int kLeastSide = 64;
inline constexpr int kMostSide = 4096;
inline constexpr double kMostStrength = 5;
inline constexpr double kMostGuidance = 50;

/// Throws HttpError 400 for values of `settings` that no job can have, with the name that the
/// field has in the request: `names` gives it for ours where it is another.
void check_settings(const JobSettings& settings,
                    const std::vector<std::pair<std::string_view, std::string_view>>& names = {});

/// The same for one prompt, before it is copied anywhere: at most kMostPromptBytes, no U+0000.
void check_prompt(std::string_view field, std::string_view prompt);

/// HttpError 400 with code "argument": "cannot take FIELD: RULE, got VALUE".
[[noreturn]] void refuse_field(std::string_view field, std::string_view rule,
                               std::string_view got = {});

}  // namespace semblance::service
