// Trajectory consistency distillation (Zheng et al. 2024): TCDScheduler. A DDIM step overshoots the
// next timestep by the share eta, and new noise returns to it.
#include <cmath>

#include "sampling/makers.h"
#include "sampling/timestep_sampler.h"

namespace semblance {
namespace {

class Tcd final : public TimestepSampler {
 public:
  explicit Tcd(const SamplerSettings& settings)
      : TimestepSampler(settings, consistency_timesteps(settings),
                        TrainedNoise(settings.config).alpha_bars()),
        eta_(settings.eta) {}

  std::optional<NoiseSpan> noise(int evaluation) const override {
    if (eta_ == 0 || evaluation + 1 == evaluations()) return std::nullopt;
    return span(next(evaluation), target(evaluation));
  }

  void step(const StepData& data) const override {
    check(data);
    const Denoise& denoise = at(data.evaluation).denoise;
    const SeenNoise seen(prediction(), alpha_bar(timestep(data.evaluation)));
    const float reached = alpha_bar(target(data.evaluation));
    const float share = std::sqrt(reached);
    const float rest = std::sqrt(1 - reached);
    const bool draws = noise(data.evaluation).has_value();
    const float back = alpha_bar(next(data.evaluation)) / reached;
    const float kept_share = std::sqrt(back);
    const float new_share = std::sqrt(1 - back);
    for (std::size_t i = 0; i < data.latent.size(); ++i) {
      const float x = data.latent[i];
      const float m = data.output[i];
      const float x0 = denoise(x, m);
      const float y = share * x0 + rest * seen(x, x0, m);
      data.latent[i] = draws ? kept_share * y + new_share * data.noise[i] : y;
    }
  }

 private:
  int next(int evaluation) const {
    return evaluation + 1 == evaluations() ? 0 : timestep(evaluation + 1);
  }
  int target(int evaluation) const {
    // In float32: torch multiplies a Python number and an integer tensor.
    return static_cast<int>(static_cast<float>(1 - eta_) * static_cast<float>(next(evaluation)));
  }

  double eta_;
};

}  // namespace

std::unique_ptr<Sampler> make_tcd(const SamplerSettings& settings) {
  return std::make_unique<Tcd>(settings);
}

}  // namespace semblance
