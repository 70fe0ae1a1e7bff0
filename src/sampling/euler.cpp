// Euler's method (Karras et al. 2022, algorithm 2 without churn): EulerDiscreteScheduler.
#include "sampling/makers.h"
#include "sampling/sigma_sampler.h"

namespace semblance {
namespace {

class Euler final : public SigmaSampler {
 public:
  explicit Euler(const SamplerSettings& settings)
      : SigmaSampler(settings, evaluate_once(settings)) {}

  void step(const StepData& data) const override {
    check(data);
    const auto& [sigma, denoise, divisor] = at(data.evaluation);
    const float change = step_sigma(data.evaluation + 1) - sigma;
    for (std::size_t i = 0; i < data.latent.size(); ++i) {
      const float x = data.latent[i];
      const float derivative = (x - denoise(x, data.output[i])) / sigma;
      data.latent[i] = x + derivative * change;
    }
  }
};

}  // namespace

std::unique_ptr<Sampler> make_euler(const SamplerSettings& settings) {
  return std::make_unique<Euler>(settings);
}

}  // namespace semblance
