#include "sampling/euler.h"

#include <cmath>

#include "core/error.h"
#include "sampling/sampler.h"

namespace semblance {
namespace {

class Euler final : public Sampler {
 public:
  Euler(const SchedulerConfig& config, int steps)
      : prediction_(config.prediction), schedule_(make_schedule(config, steps)) {}

  std::span<const float> timesteps() const override { return schedule_.timesteps; }
  float init_noise_sigma() const override { return schedule_.init_noise_sigma; }
  bool draws_noise(int) const override { return false; }

  void scale_model_input(int evaluation, std::span<float> latent) const override {
    const float sigma = sigma_of(evaluation);
    const float divisor = std::sqrt(sigma * sigma + 1.0F);
    for (float& value : latent) value /= divisor;
  }

  void step(int evaluation, std::span<const float> output, std::span<float> latent,
            NoiseGenerator&) override {
    SEMBLANCE_ASSERT(output.size() == latent.size());
    const float sigma = sigma_of(evaluation);
    const float change = schedule_.sigmas[static_cast<std::size_t>(evaluation) + 1] - sigma;
    const float square = sigma * sigma + 1.0F;
    const float output_weight = -sigma / std::sqrt(square);
    const auto predicted = [&](float value, float x) {
      switch (prediction_) {
        case SchedulerConfig::Prediction::kEpsilon:
          return x - sigma * value;
        case SchedulerConfig::Prediction::kVPrediction:
          return value * output_weight + x / square;
        case SchedulerConfig::Prediction::kSample:
          break;
      }
      return value;
    };
    for (std::size_t i = 0; i < latent.size(); ++i) {
      const float x = latent[i];
      const float derivative = (x - predicted(output[i], x)) / sigma;
      latent[i] = x + derivative * change;
    }
  }

  /// The step went from x, at noise level a, to y, at level b, along d = (y - x) / (b - a). The
  /// prediction follows d for the remaining b. x is the model's input before scaling.
  void predict(int evaluation, std::span<const float> scaled,
               std::span<float> latent) const override {
    SEMBLANCE_ASSERT(scaled.size() == latent.size());
    const float a = sigma_of(evaluation);
    const float b = schedule_.sigmas[static_cast<std::size_t>(evaluation) + 1];
    const float scale = std::sqrt(a * a + 1);
    for (std::size_t i = 0; i < latent.size(); ++i)
      latent[i] -= b * (latent[i] - scale * scaled[i]) / (b - a);
  }

 private:
  float sigma_of(int evaluation) const {
    SEMBLANCE_ASSERT(evaluation >= 0 &&
                     static_cast<std::size_t>(evaluation) < schedule_.timesteps.size());
    return schedule_.sigmas[static_cast<std::size_t>(evaluation)];
  }

  SchedulerConfig::Prediction prediction_;
  Schedule schedule_;
};

}  // namespace

std::unique_ptr<Sampler> make_euler(const SchedulerConfig& config, int steps) {
  return std::make_unique<Euler>(config, steps);
}

}  // namespace semblance
