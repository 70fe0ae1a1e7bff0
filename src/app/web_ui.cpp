#include "app/web_ui.h"

#include <algorithm>
#include <string>

#include "core/ascii.h"

namespace semblance {

bool is_automatic_scheduler(std::string_view name) {
  const std::string plain = lower(name);
  return plain.empty() || plain == "automatic";
}

std::optional<WebUiSampling> web_ui_sampling(std::string_view sampler, std::string_view scheduler) {
  const auto choice =
      sampler.empty() ? SamplerChoice{.sampler = &default_sampler()} : find_choice(sampler);
  if (!choice) return std::nullopt;
  WebUiSampling sampling{
      .sampler = choice->sampler, .curve = choice->curve, .is_nearest = choice->is_nearest};
  if (sampling.curve == nullptr)
    sampling.curve = find_curve(name_of(choice->sampler->web_ui_curve));
  if (is_automatic_scheduler(scheduler)) return sampling;
  const CurveRow* const named = find_curve(scheduler);
  sampling.lacks_scheduler = named == nullptr;
  if (named == nullptr) return sampling;
  if (named->curve == Curve::kDefault || sampling.sampler->has(kTakesCurve)) {
    sampling.curve = named;
  } else {
    sampling.unused = named;
  }
  return sampling;
}

void set_sampling(const WebUiSampling& sampling, Request& request) {
  request.scheduler = Choice(std::string(sampling.sampler->name));
  request.sigmas = Choice(std::string(sampling.curve->name));
  if (sampling.sampler->has(kReadsSpacing) && !sampling.curve->spacing) {
    // There DDIM and PLMS count timesteps from the start, all others interpolate noise levels.
    request.spacing = Choice(sampling.sampler->has(kTakesCurve) ? "linspace" : "leading");
  }
}

WebUiUnit web_ui_unit(std::string_view name) {
  std::string plain = lower(name);
  std::ranges::replace(plain, '-', '_');
  std::ranges::replace(plain, ' ', '_');
  if (plain.empty() || plain == "none" || plain == "ip_adapter_auto") return WebUiUnit::kNone;
  for (const std::string_view face :
       {"ip_adapter_instant_id", "instant_id_face_embedding", "insightface_(instantid)"}) {
    if (plain.starts_with(face)) return WebUiUnit::kFace;
  }
  for (const std::string_view points : {"control_instant_id", "instant_id_face_keypoints"}) {
    if (plain.starts_with(points)) return WebUiUnit::kPoints;
  }
  return WebUiUnit::kOther;
}

}  // namespace semblance
