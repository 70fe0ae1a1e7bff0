// DPM-Solver-2 as in Karras et al. 2022: each step follows the slope at its geometric middle. The
// last step is an Euler step. KDPM2DiscreteScheduler.
#include <cmath>

#include "sampling/makers.h"
#include "sampling/sigma_sampler.h"

namespace semblance {
namespace {

float middle_of_logs(float sigma, float next) {
  const float from = std::log(next);
  const float to = std::log(sigma);
  return std::exp(to - (to - from) * 0.5F);
}

Evaluations middle_looks(const SamplerSettings& settings) {
  Evaluations result = evaluate_in_the_middle(settings, middle_of_logs);
  if (settings.config.curve == Curve::kKarras) {
    for (std::size_t i = 0; i < result.timesteps.size(); i += 2)
      result.timesteps[i] = std::nearbyint(result.timesteps[i]);
  }
  return result;
}

class Kdpm2 final : public SigmaSampler {
 public:
  explicit Kdpm2(const SamplerSettings& settings)
      : SigmaSampler(settings, middle_looks(settings)) {}

  int kept_latents() const override { return 1; }  // the latent at the start of the step

  void step(const StepData& data) const override {
    check(data);
    const auto& [sigma, denoise, divisor] = at(data.evaluation);
    const int step = data.evaluation / 2;
    const std::span<float> begin = kept(data, 0);
    const bool is_first = data.evaluation % 2 == 0;
    const bool is_last = step + 1 == steps();
    const float target =
        is_first && !is_last ? at(data.evaluation + 1).sigma : step_sigma(step + 1);
    const float change = target - step_sigma(step);
    for (std::size_t i = 0; i < data.latent.size(); ++i) {
      const float x = data.latent[i];
      const float slope = (x - denoise(x, data.output[i])) / sigma;
      if (is_first) begin[i] = x;
      data.latent[i] = begin[i] + slope * change;
    }
  }
};

}  // namespace

std::unique_ptr<Sampler> make_kdpm2(const SamplerSettings& settings) {
  return std::make_unique<Kdpm2>(settings);
}

}  // namespace semblance
