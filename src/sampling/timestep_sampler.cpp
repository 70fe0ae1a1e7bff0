#include "sampling/timestep_sampler.h"

#include <cmath>
#include <utility>

#include "core/error.h"

namespace semblance {

TimestepSampler::TimestepSampler(const SamplerSettings& settings,
                                 const std::vector<float>& timesteps, std::vector<float> alpha_bars)
    : Sampler(
          timesteps,
          [&] {
            std::vector<Level> levels;
            for (const float t : timesteps) {
              if (!(t >= 0 && t < static_cast<float>(alpha_bars.size()))) {
                fail(ErrorKind::kArgument,
                     "cannot make the sampler: {} steps would start at timestep {}, but the model "
                     "has "
                     "timesteps 0 to {}\n  use fewer steps or another spacing",
                     settings.steps, static_cast<int>(t), alpha_bars.size() - 1);
              }
              const float alpha_bar = alpha_bars[static_cast<std::size_t>(t)];
              const float alpha = std::sqrt(alpha_bar);
              const float z = std::sqrt(1 - alpha_bar);
              Level level{.sigma = std::sqrt((1 - alpha_bar) / alpha_bar)};
              switch (settings.config.prediction) {
                case Prediction::kEpsilon:
                  if (alpha_bar == 0) {
                    fail(ErrorKind::kArgument,
                         "cannot make the sampler: zero terminal SNR leaves no signal at timestep "
                         "{}, which "
                         "needs a model with v prediction\n  use prediction v or another spacing",
                         static_cast<int>(t));
                  }
                  level.denoise = {.output = -z, .divisor = alpha};
                  break;
                case Prediction::kV:
                  level.denoise = {.x = alpha, .output = -z};
                  break;
                case Prediction::kSample:
                  level.denoise = {.x = 0, .output = 1};
                  break;
              }
              if (*settings.config.clip_sample)
                level.denoise.limit = static_cast<float>(settings.config.clip_sample_range);
              levels.push_back(level);
            }
            return levels;
          }(),
          1.0F, settings.skipped_steps),
      alpha_bars_(std::move(alpha_bars)),
      final_alpha_bar_(*settings.config.set_alpha_to_one ? 1.0F : alpha_bars_.front()),
      prediction_(settings.config.prediction) {}

NoiseSpan TimestepSampler::span(int from, int to) const {
  const auto sigma = [&](int t) { return std::sqrt((1 - alpha_bar(t)) / alpha_bar(t)); };
  return {sigma(from), sigma(to)};
}

SeenNoise::SeenNoise(Prediction predicted, float alpha_bar)
    : prediction(predicted), alpha(std::sqrt(alpha_bar)), z(std::sqrt(1 - alpha_bar)) {}

std::vector<float> even_timesteps(const SamplerSettings& settings) {
  return make_schedule(settings.config, TrainedNoise(settings.config), Family::kTimesteps,
                       settings.steps)
      .timesteps;
}

// Of every k-th training timestep, counted from the end, `steps` evenly spaced ones.
std::vector<float> consistency_timesteps(const SamplerSettings& settings) {
  if (settings.config.spacing) return even_timesteps(settings);
  const int trained = settings.config.train_timesteps;
  const int original = settings.config.original_inference_steps;
  if (original > trained || settings.steps < 1 || settings.steps > original) {
    fail(ErrorKind::kArgument,
         "cannot make a schedule: steps must be from 1 to {} (the model was distilled for, over {} "
         "training steps), got {}",
         original, trained, settings.steps);
  }
  const int ratio = trained / original;
  std::vector<float> timesteps;
  for (int i = 0; i < settings.steps; ++i) {
    // numpy.linspace(0, original, steps, endpoint=False), floored.
    const int index = static_cast<int>(i * (static_cast<double>(original) / settings.steps));
    timesteps.push_back(static_cast<float>((original - index) * ratio - 1));
  }
  return timesteps;
}

}  // namespace semblance
