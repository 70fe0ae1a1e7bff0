// Euler's method with new noise in each step: EulerAncestralDiscreteScheduler.
#include "sampling/makers.h"
#include "sampling/sigma_sampler.h"

namespace semblance {
namespace {

class EulerAncestral final : public SigmaSampler {
 public:
  explicit EulerAncestral(const SamplerSettings& settings)
      : SigmaSampler(settings, evaluate_once(settings)) {}

  /// diffusers also draws noise in the last step, with weight 0.
  std::optional<NoiseSpan> noise(int evaluation) const override {
    return NoiseSpan{step_sigma(evaluation), step_sigma(evaluation + 1)};
  }

  void step(const StepData& data) const override {
    check(data);
    const auto& [sigma, denoise, divisor] = at(data.evaluation);
    const Ancestral way(sigma, step_sigma(data.evaluation + 1));
    const float change = way.down - sigma;
    for (std::size_t i = 0; i < data.latent.size(); ++i) {
      const float x = data.latent[i];
      const float derivative = (x - denoise(x, data.output[i])) / sigma;
      data.latent[i] = x + derivative * change + data.noise[i] * way.up;
    }
  }
};

}  // namespace

std::unique_ptr<Sampler> make_euler_ancestral(const SamplerSettings& settings) {
  return std::make_unique<EulerAncestral>(settings);
}

}  // namespace semblance
