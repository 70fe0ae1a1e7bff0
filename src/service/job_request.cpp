#include "service/job_request.h"

#include <cmath>
#include <string>

#include "pipeline/request.h"

namespace semblance::service {

void refuse_field(std::string_view field, std::string_view rule, std::string_view got) {
  throw HttpError(400, "argument",
                  got.empty()
                      ? fmt::format("cannot take {}: {}", field, rule)
                      : fmt::format("cannot take {}: {}, got {}", field, rule, got.substr(0, 100)),
                  field);
}

void check_prompt(std::string_view field, std::string_view prompt) {
  if (prompt.size() > kMostPromptBytes) {
    refuse_field(field, fmt::format("it must be text of at most {} bytes", kMostPromptBytes),
                 fmt::format("{} bytes", prompt.size()));
  }
  // A picture's file cannot hold them: better told now than when it is written.
  if (prompt.find('\0') != std::string_view::npos)
    refuse_field(field, "it must not hold the character U+0000");
}

void check_settings(const JobSettings& s,
                    const std::vector<std::pair<std::string_view, std::string_view>>& names) {
  const auto name = [&](std::string_view ours) {
    for (const auto& [key, theirs] : names) {
      if (key == ours) return theirs;
    }
    return ours;
  };
  const auto check_float = [&](std::string_view ours, double value, double most) {
    if (std::isfinite(value) && value >= 0 && value <= most) return;
    refuse_field(name(ours), fmt::format("it must be a number from 0 to {}", most),
                 fmt::format("{}", value));
  };
  const auto check_int = [&](std::string_view ours, int value, int most) {
    if (value >= 1 && value <= most) return;
    refuse_field(name(ours), fmt::format("it must be from 1 to {}", most), std::to_string(value));
  };
  const auto check_side = [&](std::string_view ours, int value) {
    if (value >= kLeastSide && value <= kMostSide && value % 8 == 0) return;
    refuse_field(name(ours),
                 fmt::format("it must be a multiple of 8 from {} to {}", kLeastSide, kMostSide),
                 std::to_string(value));
  };
  check_prompt(name("prompt"), s.prompt);
  if (s.negative) check_prompt(name("negative"), *s.negative);
  if (s.width != 0 || s.height != 0) {
    check_side("width", s.width);
    check_side("height", s.height);
  }
  check_int("steps", s.steps, kMostSteps);
  check_int("count", s.count, kMostPictures);
  check_float("guidance", s.guidance.value_or(0), kMostGuidance);
  check_float("identity_strength", s.identity_strength, kMostStrength);
  check_float("adapter_strength", s.adapter_strength, kMostStrength);
  check_float("identity_start", s.identity_start, 1);
  check_float("identity_end", s.identity_end, 1);
  if (s.identity_start > s.identity_end) {
    refuse_field(name("identity_start"),
                 fmt::format("it must not be above {}", name("identity_end")),
                 fmt::format("{} and {}", s.identity_start, s.identity_end));
  }
}

}  // namespace semblance::service
