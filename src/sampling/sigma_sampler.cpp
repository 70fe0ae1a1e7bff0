#include "sampling/sigma_sampler.h"

#include <algorithm>
#include <cmath>

namespace semblance {
namespace {

/// The schedule and its sigmas in float32.
struct Levels {
  explicit Levels(const SamplerSettings& settings)
      : trained(settings.config),
        schedule(make_schedule(settings.config, trained, Family::kKDiffusion, settings.steps)),
        sigmas(schedule.sigmas.begin(), schedule.sigmas.end()) {
    const SchedulerConfig& config = settings.config;
    if (config.continuous_timesteps && config.prediction == Prediction::kV) {
      for (std::size_t i = 0; i < schedule.timesteps.size(); ++i)
        schedule.timesteps[i] = 0.25F * std::log(sigmas[i]);
    }
  }
  TrainedNoise trained;
  Schedule schedule;
  std::vector<float> sigmas;
};

/// second(step) returns the timestep and the level of the step's second evaluation.
template <typename Second>
Evaluations evaluate_twice(const Levels& levels, const Second& second) {
  const auto& timesteps = levels.schedule.timesteps;
  Evaluations result{levels.sigmas, {}, {}, 2};
  for (std::size_t step = 0; step < timesteps.size(); ++step) {
    result.timesteps.push_back(timesteps[step]);
    result.levels.push_back(levels.sigmas[step]);
    if (step + 1 == timesteps.size()) break;
    const auto [timestep, level] = second(step);
    result.timesteps.push_back(timestep);
    result.levels.push_back(level);
  }
  return result;
}

}  // namespace

Evaluations evaluate_once(const SamplerSettings& settings) {
  const Levels levels(settings);
  Evaluations result{levels.sigmas, levels.schedule.timesteps, levels.sigmas};
  result.levels.pop_back();
  return result;
}

Evaluations evaluate_at_both_ends(const SamplerSettings& settings) {
  const Levels levels(settings);
  return evaluate_twice(levels, [&](std::size_t step) {
    return std::pair(levels.schedule.timesteps[step + 1], levels.sigmas[step + 1]);
  });
}

Evaluations evaluate_in_the_middle(const SamplerSettings& settings,
                                   float (*middle)(float sigma, float next)) {
  const Levels levels(settings);
  return evaluate_twice(levels, [&](std::size_t step) {
    const float level = middle(levels.sigmas[step], levels.sigmas[step + 1]);
    return std::pair(static_cast<float>(levels.trained.timestep_of(level)), level);
  });
}

namespace {

float first_deviation(const SamplerSettings& settings, const std::vector<float>& sigmas) {
  const float most = *std::max_element(sigmas.begin(), sigmas.end());
  return *settings.config.spacing == Spacing::kLeading ? std::sqrt(most * most + 1.0F) : most;
}

}  // namespace

SigmaSampler::SigmaSampler(const SamplerSettings& settings, const Evaluations& evaluations)
    : Sampler(
          evaluations.timesteps,
          [&] {
            std::vector<Level> levels;
            for (const float sigma : evaluations.levels) {
              const float square = sigma * sigma + 1.0F;
              Level level{.sigma = sigma, .input_divisor = std::sqrt(square)};
              switch (settings.config.prediction) {
                case Prediction::kEpsilon:
                  level.denoise = {.output = -sigma};
                  break;
                case Prediction::kV:
                  level.denoise = {.output = -sigma / std::sqrt(square),
                                   .divisor = square,
                                   .divides_x_alone = true};
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
          first_deviation(settings, evaluations.sigmas),
          settings.skipped_steps * evaluations.per_step),
      sigmas_(evaluations.sigmas.begin() + settings.skipped_steps, evaluations.sigmas.end()) {}

Ancestral::Ancestral(float from, float to)
    : up(std::min(to, std::sqrt(to * to * (from * from - to * to) / (from * from)))) {
  down = std::sqrt(to * to - up * up);
}

}  // namespace semblance
