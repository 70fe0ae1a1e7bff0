#include "pipeline/request.h"

#include <fmt/format.h>

#include "core/error.h"
#include "pipeline/prompts.h"
#include "text/unicode.h"

namespace semblance {

std::optional<std::string> window_problem(const Request& request, std::string_view end_name) {
  if (request.identity_start <= request.identity_end) return std::nullopt;
  return expected(fmt::format("at most {}", end_name),
                  fmt::format("{} and {}", request.identity_start, request.identity_end));
}

void check(const Request& request) {
  check(request, [](const Parameter& row) { return std::string(row.name); });
}

void check(const Request& request, std::string (*name_of)(const Parameter& row)) {
  const auto refuse = [&](const Parameter& row, const std::optional<std::string>& problem) {
    if (problem) fail(ErrorKind::kArgument, "cannot take {}: {}", name_of(row), *problem);
  };
  each_parameter(
      [&](const Parameter& row, const auto& value) {
        refuse(row, problem_of(row, value));
        if constexpr (kind_of<std::decay_t<decltype(value)>>() == ParameterKind::kText) {
          const std::optional<std::string> text = value;
          if (text) decode_utf8(*text, name_of(row));
        }
      },
      request);
  static_cast<void>(parse_prompts(request));
  refuse(parameters::kIdentityStart, window_problem(request, name_of(parameters::kIdentityEnd)));
}

}  // namespace semblance
