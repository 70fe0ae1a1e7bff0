#include "service/job_request.h"

#include <fmt/format.h>

#include <string>

namespace semblance::service {

void check_initial(const JobRequest& request) {
  if (!request.initial.bytes.empty()) return;
  if (!request.mask.bytes.empty()) {
    throw HttpError(400, "argument",
                    fmt::format("cannot take {}: there is no picture to repaint\n  send one as {}",
                                request.mask.name, request.initial.name),
                    request.mask.name);
  }
  if (request.extends()) {
    throw HttpError(400, "argument",
                    fmt::format("cannot take {}: there is no picture to extend\n  send one as {}",
                                parameters::kExtendLeft.name, request.initial.name),
                    std::string(parameters::kExtendLeft.name));
  }
  if (!request.strength) return;
  throw HttpError(400, "argument",
                  fmt::format("cannot take {}: there is no picture to start from\n  send one as {}",
                              parameters::kStrength.name, request.initial.name),
                  std::string(parameters::kStrength.name));
}

void check_control_pictures(const JobRequest& request) {
  const std::size_t needed = request.controls.size(), sent = request.control_pictures.size();
  if (needed == sent) return;
  throw HttpError(400, "argument",
                  fmt::format("cannot take {}: expected {} pictures, one for each, got {}\n  send "
                              "each as {}",
                              parameters::kControls.name, needed, sent, kControlPart),
                  std::string(parameters::kControls.name));
}

void check_people(const JobRequest& request) {
  if (request.people.empty()) return;
  std::size_t photos = 0;
  std::size_t masks = 0;
  for (const std::string& text : request.people) {
    const PersonChoice choice = parse_person(text);
    photos += static_cast<std::size_t>(choice.photos);
    masks += choice.is_mask_sent ? 1 : 0;
  }
  const auto refuse = [](std::string_view rule, std::size_t got, std::string_view part) {
    const std::string_view name = parameters::kPeople.name;
    throw HttpError(400, "argument",
                    fmt::format("cannot take {}: expected {}, got {}\n  send each as {}", name,
                                rule, got, part),
                    std::string(name));
  };
  const std::size_t sent = request.photo.bytes.empty() ? 0 : 1 + request.more_photos.size();
  if (sent != photos)
    refuse(fmt::format("{} photos, those of one person after the other's", photos), sent,
           request.photo.name);
  if (request.regions.size() != masks)
    refuse(fmt::format("{} masks, one for each person with \"mask\": true", masks),
           request.regions.size(), kRegionPart);
}

std::string photo_name(std::size_t n) {
  return n == 0 ? "the photo" : fmt::format("photo {}", n + 1);
}

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

void check_settings(const JobRequest& s, const ParameterNames& name_of) {
  const bool has_size = s.width != 0 || s.height != 0;
  each_job_parameter(
      [&](const Parameter& row, const auto& value) {
        if (row.zero_is_absent && !has_size) return;
        if (const auto problem = problem_of(row, value, Asker::kService))
          refuse_value(name_of(row), *problem);
      },
      s);
  if (const auto problem = pair_problem(s, name_of, Asker::kService))
    refuse_value(name_of(*problem->row), problem->text);
}

}  // namespace semblance::service
