// Heun's method (Karras et al. 2022, algorithm 1): an Euler step, repeated with the mean of the
// slopes at both ends. The last step is an Euler step. HeunDiscreteScheduler.
#include "sampling/makers.h"
#include "sampling/sigma_sampler.h"

namespace semblance {
namespace {

class Heun final : public SigmaSampler {
 public:
  explicit Heun(const SamplerSettings& settings)
      : SigmaSampler(settings, evaluate_at_both_ends(settings)) {}

  int kept_latents() const override {
    return 2;
  }  // the first slope, the latent at the start of the step

  void step(const StepData& data) const override {
    check(data);
    const auto& [sigma, denoise, divisor] = at(data.evaluation);
    const int step = data.evaluation / 2;
    const float change = step_sigma(step + 1) - step_sigma(step);
    const std::span<float> slope = kept(data, 0);
    const std::span<float> begin = kept(data, 1);
    if (data.evaluation % 2 == 0) {
      for (std::size_t i = 0; i < data.latent.size(); ++i) {
        const float x = data.latent[i];
        begin[i] = x;
        slope[i] = (x - denoise(x, data.output[i])) / sigma;
        data.latent[i] = x + slope[i] * change;
      }
      return;
    }
    for (std::size_t i = 0; i < data.latent.size(); ++i) {
      const float x = data.latent[i];
      const float second = (x - denoise(x, data.output[i])) / sigma;
      data.latent[i] = begin[i] + (slope[i] + second) / 2 * change;
    }
  }
};

}  // namespace

std::unique_ptr<Sampler> make_heun(const SamplerSettings& settings) {
  return std::make_unique<Heun>(settings);
}

}  // namespace semblance
