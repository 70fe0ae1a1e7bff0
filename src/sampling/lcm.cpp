// Latent consistency models (Luo et al. 2023): LCMScheduler. Each evaluation predicts the picture;
// the next one starts from it with new noise.
#include <cmath>

#include "sampling/makers.h"
#include "sampling/timestep_sampler.h"

namespace semblance {
namespace {

class Lcm final : public TimestepSampler {
 public:
  explicit Lcm(const SamplerSettings& settings)
      : TimestepSampler(settings, consistency_timesteps(settings),
                        TrainedNoise(settings.config).alpha_bars()),
        timestep_scaling_(static_cast<float>(settings.config.timestep_scaling)) {}

  std::optional<NoiseSpan> noise(int evaluation) const override {
    if (evaluation + 1 == evaluations()) return std::nullopt;
    return span(timestep(evaluation), timestep(evaluation + 1));
  }

  void step(const StepData& data) const override {
    check(data);
    constexpr float kVariance = 0.25F;  // of the data
    const Denoise& denoise = at(data.evaluation).denoise;
    const float time = static_cast<float>(timestep(data.evaluation)) * timestep_scaling_;
    const float skip = kVariance / (time * time + kVariance);
    const float out = time / std::sqrt(time * time + kVariance);
    const bool is_last = data.evaluation + 1 == evaluations();
    const float next = is_last ? 1 : alpha_bar(timestep(data.evaluation + 1));
    const float share = std::sqrt(next);
    const float rest = std::sqrt(1 - next);
    for (std::size_t i = 0; i < data.latent.size(); ++i) {
      const float x = data.latent[i];
      const float x0 = out * denoise(x, data.output[i]) + skip * x;
      data.latent[i] = is_last ? x0 : share * x0 + rest * data.noise[i];
    }
  }

 private:
  float timestep_scaling_;
};

}  // namespace

std::unique_ptr<Sampler> make_lcm(const SamplerSettings& settings) {
  return std::make_unique<Lcm>(settings);
}

}  // namespace semblance
