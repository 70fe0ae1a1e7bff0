// DDIM (Song et al. 2020): DDIMScheduler. With eta > 0 each step replaces part of the noise.
#include <cmath>

#include "sampling/makers.h"
#include "sampling/timestep_sampler.h"

namespace semblance {
namespace {

class Ddim final : public TimestepSampler {
 public:
  explicit Ddim(const SamplerSettings& settings)
      : TimestepSampler(settings, even_timesteps(settings),
                        TrainedNoise(settings.config).alpha_bars()),
        stride_(settings.config.train_timesteps / settings.steps),
        eta_(static_cast<float>(settings.eta)) {}

  std::optional<NoiseSpan> noise(int evaluation) const override {
    if (eta_ == 0) return std::nullopt;
    return span(timestep(evaluation), timestep(evaluation) - stride_);
  }

  void step(const StepData& data) const override {
    check(data);
    const Denoise& denoise = at(data.evaluation).denoise;
    const int t = timestep(data.evaluation);
    const float from = alpha_bar(t);
    const float to = alpha_bar(t - stride_);
    const SeenNoise seen(prediction(), from);
    const float variance = (1 - to) / (1 - from) * (1 - from / to);
    const float deviation = eta_ * std::sqrt(variance);
    const float direction = std::sqrt(1 - to - deviation * deviation);
    const float share = std::sqrt(to);
    for (std::size_t i = 0; i < data.latent.size(); ++i) {
      const float x = data.latent[i];
      const float m = data.output[i];
      const float x0 = denoise(x, m);
      const float next = share * x0 + direction * seen(x, x0, m);
      data.latent[i] = eta_ == 0 ? next : next + deviation * data.noise[i];
    }
  }

 private:
  int stride_;
  float eta_;
};

}  // namespace

std::unique_ptr<Sampler> make_ddim(const SamplerSettings& settings) {
  return std::make_unique<Ddim>(settings);
}

}  // namespace semblance
