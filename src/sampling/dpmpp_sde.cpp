// DPM-Solver++ SDE with two evaluations in each step (k-diffusion's sample_dpmpp_sde):
// DPMSolverSDEScheduler. It draws its noise from a Brownian tree.
#include <cmath>

#include "sampling/makers.h"
#include "sampling/sigma_sampler.h"

namespace semblance {
namespace {

float time_of(float sigma) { return -std::log(sigma); }
float sigma_of(float time) { return std::exp(-time); }

float middle_of_times(float sigma, float next) {
  const float time = time_of(sigma);
  return sigma_of(time + (time_of(next) - time) * 0.5F);
}

class DpmppSde final : public SigmaSampler {
 public:
  explicit DpmppSde(const SamplerSettings& settings)
      : SigmaSampler(settings, evaluate_in_the_middle(settings, middle_of_times)) {}

  int kept_latents() const override { return 1; }  // the latent at the start of the step

  /// diffusers converts levels to logarithms and back; the tree depends on that rounding.
  std::optional<NoiseSpan> noise(int evaluation) const override {
    if (evaluation + 1 == evaluations()) return std::nullopt;
    return NoiseSpan{sigma_of(time_of(step_sigma(evaluation / 2))), target(evaluation)};
  }

  void step(const StepData& data) const override {
    check(data);
    const auto& [sigma, denoise, divisor] = at(data.evaluation);
    if (data.evaluation + 1 == evaluations()) {  // a step of Euler's method to 0
      const float change = step_sigma(steps()) - sigma;
      for (std::size_t i = 0; i < data.latent.size(); ++i) {
        const float x = data.latent[i];
        data.latent[i] = x + (x - denoise(x, data.output[i])) / sigma * change;
      }
      return;
    }
    const float time = time_of(step_sigma(data.evaluation / 2));
    const Ancestral way(sigma_of(time), target(data.evaluation));
    const float ancestral_time = time_of(way.down);
    const float x_weight = sigma_of(ancestral_time) / sigma_of(time);
    const float x0_weight = std::expm1(time - ancestral_time);
    const std::span<float> begin = kept(data, 0);
    const bool is_first = data.evaluation % 2 == 0;
    for (std::size_t i = 0; i < data.latent.size(); ++i) {
      const float x = data.latent[i];
      if (is_first) begin[i] = x;
      data.latent[i] =
          x_weight * begin[i] - x0_weight * denoise(x, data.output[i]) + data.noise[i] * way.up;
    }
  }

 private:
  /// The level that an evaluation leads to: the middle of the step, then its end.
  float target(int evaluation) const {
    const bool is_first = evaluation % 2 == 0;
    return is_first ? at(evaluation + 1).sigma : sigma_of(time_of(step_sigma(evaluation / 2 + 1)));
  }
};

}  // namespace

std::unique_ptr<Sampler> make_dpmpp_sde(const SamplerSettings& settings) {
  return std::make_unique<DpmppSde>(settings);
}

}  // namespace semblance
