#include "service/job_request.h"

#include <string>

#include "core/error.h"
#include "pipeline/prompts.h"

namespace semblance::service {

void refuse_field(std::string_view field, std::string_view rule, std::string_view got) {
  throw HttpError(400, "argument",
                  got.empty()
                      ? fmt::format("cannot take {}: {}", field, rule)
                      : fmt::format("cannot take {}: {}, got {}", field, rule, got.substr(0, 100)),
                  field);
}

void refuse_value(std::string_view field, std::string_view problem) {
  throw HttpError(400, "argument", fmt::format("cannot take {}: {}", field, problem), field);
}

void check_prompt(std::string_view field, std::string_view prompt) {
  if (const auto problem = text_problem(parameters::kPrompt, prompt)) refuse_value(field, *problem);
}

void check_settings(const JobRequest& s, const FieldNames& name_of) {
  const bool has_size = s.width != 0 || s.height != 0;
  each_job_parameter(
      [&](const Parameter& row, const auto& value) {
        if (row.zero_is_absent && !has_size) return;
        if (const auto problem = problem_of(row, value, Asker::kService))
          refuse_value(name_of(row), *problem);
      },
      s);
  if (const auto problem = window_problem(s, name_of(parameters::kIdentityEnd)))
    refuse_value(name_of(parameters::kIdentityStart), *problem);
  try {
    static_cast<void>(parse_prompts(s));
  } catch (const Error& error) {
    throw HttpError(400, "argument", error.what(), name_of(parameters::kPrompt));
  }
}

}  // namespace semblance::service
