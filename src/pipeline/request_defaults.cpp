#include "pipeline/request_defaults.h"

#include <algorithm>

#include "core/error.h"
#include "pipeline/lora_choice.h"
#include "pipeline/opened_models.h"
#include "pipeline/prompts.h"

namespace semblance {
namespace {

/// Steps of draft, good and best for a model that was not distilled.
constexpr std::array<int, 3> kSteps{12, Request::kSteps, 50};

std::size_t index_of(const Choice& quality) {
  const auto found = std::ranges::find(kQualityNames, std::string_view(quality.name));
  SEMBLANCE_ASSERT(found != kQualityNames.end());
  return static_cast<std::size_t>(found - kQualityNames.begin());
}

/// Sets what the request leaves open. A sampler that was chosen keeps its own spacing and eta.
void fill(Request& request, const FewSteps& few) {
  if (!request.steps) request.steps = few.steps[1];
  if (!request.guidance) {
    request.guidance = few.guidance;
    if (!request.guidance_end) request.guidance_end = few.guidance_end;
  }
  if (request.scheduler) return;
  request.scheduler = std::string(few.scheduler);
  if (!request.spacing && !few.spacing.empty()) request.spacing = std::string(few.spacing);
  if (request.eta == 0) request.eta = few.eta;
}

}  // namespace

RequestDefaults::RequestDefaults(const OpenedModels& models, const ModelPaths& paths,
                                 std::vector<std::filesystem::path> lora_folders)
    : base_(models.unet.guidance_channels > 0
                ? lcm_steps()
                : few_steps_of(paths.unet.empty() ? paths.base : paths.unet, false)),
      guidance_(models.guidance),
      lora_folders_(std::move(lora_folders)),
      lcm_(paths.lcm) {
  // Guidance as an input costs nothing.
  if (models.unet.guidance_channels > 0) base_->guidance_end.reset();
}

std::optional<FewSteps> RequestDefaults::few_steps(const Request& request) const {
  for (const std::string& text : loras_of(request)) {
    const LoraChoice choice = parse_lora(text);
    if (choice.weight == 0) continue;
    if (const auto found = few_steps_of(find_lora(choice, lora_folders_), true)) return found;
  }
  return base_;
}

void RequestDefaults::choose_quality(Request& request) const {
  const std::size_t quality = index_of(*request.quality);
  request.quality.reset();
  if (request.steps) return;
  if (const auto few = few_steps(request)) {
    request.steps = few->steps[quality];
  } else if (quality == 0 && has_lcm()) {
    request.fast = true;
  } else {
    request.steps = kSteps[quality];
  }
}

void RequestDefaults::choose_fast(Request& request) const {
  request.fast = false;
  if (few_steps(request)) return;  // it is fast
  if (!has_lcm()) {
    fail(ErrorKind::kMissing,
         "cannot make a picture in few steps: the LCM-LoRA is not on this machine\n  `semblance "
         "models pull lcm` downloads it");
  }
  request.loras.push_back(text_of(LoraChoice{.name = lcm_.string()}));
  fill(request, lcm_steps());
}

Request RequestDefaults::complete(Request request) const {
  if (request.quality) choose_quality(request);
  if (request.fast) choose_fast(request);
  if (const auto few = few_steps(request)) fill(request, *few);
  request.steps = request.step_count();
  if (!request.guidance) request.guidance = static_cast<float>(guidance_);
  return request;
}

}  // namespace semblance
