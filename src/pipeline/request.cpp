#include "pipeline/request.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "pipeline/hires.h"
#include "pipeline/prompts.h"
#include "text/unicode.h"

namespace semblance {

std::string_view name_of(Precision precision) {
  switch (precision) {
    case Precision::kBF16:
      return "bf16";
    case Precision::kF16:
      return "f16";
    case Precision::kAuto:
    case Precision::kF32:
      break;
  }
  return "f32";
}

std::optional<PairProblem> pair_problem(const Request& request, const ParameterNames& name_of,
                                        Asker asker) {
  const auto problem = [&](const Parameter& row, std::string_view rule, const Parameter& other,
                           auto value, auto limit) {
    return PairProblem{&row, expected(fmt::format("{} {}", rule, name_of(other)),
                                      fmt::format("{} and {}", value, limit))};
  };
  if (request.identity_start > request.identity_end) {
    return problem(parameters::kIdentityStart, "at most", parameters::kIdentityEnd,
                   request.identity_start, request.identity_end);
  }
  if (request.adapter_start > request.adapter_end) {
    return problem(parameters::kAdapterStart, "at most", parameters::kAdapterEnd,
                   request.adapter_start, request.adapter_end);
  }
  if (request.noise_batch && request.noise_picture >= *request.noise_batch) {
    return problem(parameters::kNoisePicture, "less than", parameters::kNoiseBatch,
                   request.noise_picture, *request.noise_batch);
  }
  if (request.hires > 1 && request.strength) {
    return PairProblem{&parameters::kHires, expected("1 with a picture to start from",
                                                     fmt::format("{}", request.hires))};
  }
  const Size finished = finished_size(request);
  const auto most = static_cast<int>(most_of(parameters::kWidth, asker));
  if (std::max(finished.w, finished.h) > most) {
    return PairProblem{&parameters::kHires,
                       expected(fmt::format("a picture with sides of at most {} pixels", most),
                                fmt::format("one of {}x{}", finished.w, finished.h))};
  }
  return std::nullopt;
}

void check(const Request& request) {
  check_values(request, [](const Parameter& row) { return std::string(row.name); });
  if (const auto problem = boxes_problem(request))
    fail(ErrorKind::kArgument, "cannot take {}: {}", parameters::kPeople.name, *problem);
  check_prompts(request);
}

void check_values(const Request& request, std::string (*name_of)(const Parameter& row)) {
  const auto refuse = [&](const Parameter& row, const std::optional<std::string>& problem) {
    if (problem) fail(ErrorKind::kArgument, "cannot take {}: {}", name_of(row), *problem);
  };
  each_parameter(
      [&](const Parameter& row, const auto& value) {
        refuse(row, problem_of(row, value));
        using Value = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<Value, std::string>) {
          decode_utf8(value, name_of(row));
        } else if constexpr (kind_of<Value>() == ParameterKind::kText) {
          if (value) decode_utf8(*value, name_of(row));
        }
      },
      request);
  if (const auto problem = pair_problem(request, name_of)) refuse(*problem->row, problem->text);
}

}  // namespace semblance
