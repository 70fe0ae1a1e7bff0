// Names of AUTOMATIC1111's web UI and what they mean here: for its API (service/a1111.h) and for
// the texts in its pictures (app/recipe.h).
#pragma once

#include <optional>
#include <string_view>

#include "pipeline/request.h"
#include "sampling/sampler.h"

namespace semblance {

/// How that program samples for a sampler and a scheduler.
struct WebUiSampling {
  const SamplerRow* sampler = nullptr;
  const CurveRow* curve = nullptr;
  bool is_nearest = false;           // Semblance lacks the sampler; this is the nearest
  const CurveRow* unused = nullptr;  // the scheduler that has no effect with the sampler
  bool lacks_scheduler = false;      // there is none of that name; the sampler's own is used
};

/// Euler without a sampler's name, and the sampler's own curve without a scheduler's ("",
/// Automatic). Nothing for a name of no sampler.
std::optional<WebUiSampling> web_ui_sampling(std::string_view sampler, std::string_view scheduler);
/// Sets sampler, curve and spacing, which is linspace there.
void set_sampling(const WebUiSampling& sampling, Request& request);
/// Whether a scheduler's name leaves the choice to the sampler.
bool is_automatic_scheduler(std::string_view name);

/// What a unit of its ControlNet extension does, by the name of its module or model. In lower case
/// with '_' for '-' and ' '; a suffix, such as a hash, is ignored.
enum class WebUiUnit { kNone, kFace, kPoints, kOther };
WebUiUnit web_ui_unit(std::string_view name);

}  // namespace semblance
