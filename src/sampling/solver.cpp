#include "sampling/solver.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "core/error.h"

namespace semblance {
namespace {

constexpr std::size_t kFewSolverSteps = 15;  // with fewer, the last steps use a lower order

}  // namespace

Snr::Snr(float sigma)
    : alpha(1 / std::sqrt(sigma * sigma + 1)),
      z(sigma * alpha),
      lambda(std::log(alpha) - std::log(z)) {}

Schedule solver_schedule(const SamplerSettings& settings, Family family) {
  return make_schedule(settings.config, TrainedNoise(settings.config), family, settings.steps);
}

Solver::Solver(const SamplerSettings& settings, const Schedule& schedule)
    : Sampler(
          schedule.timesteps,
          [&] {
            std::vector<Level> levels;
            for (std::size_t i = 0; i < schedule.timesteps.size(); ++i) {
              const auto sigma = static_cast<float>(schedule.sigmas[i]);
              const Snr snr(sigma);
              Level level{.sigma = sigma};
              switch (settings.config.prediction) {
                case Prediction::kEpsilon:
                  level.denoise = {.output = -snr.z, .divisor = snr.alpha};
                  break;
                case Prediction::kV:
                  level.denoise = {.x = snr.alpha, .output = -snr.z};
                  break;
                case Prediction::kSample:
                  level.denoise = {.x = 0, .output = 1};
                  break;
              }
              levels.push_back(level);
            }
            return levels;
          }(),
          1.0F, settings.skipped_steps),
      sigmas_(schedule.sigmas.begin() + settings.skipped_steps, schedule.sigmas.end()),
      snrs_(sigmas_.begin(), sigmas_.end()),
      lowers_order_(settings.config.lower_order_final.value() &&
                    schedule.timesteps.size() < kFewSolverSteps) {
  const auto end = sigmas_.end() - 1;
  if (std::adjacent_find(sigmas_.begin(), end, std::less_equal<>()) != end) {
    fail(ErrorKind::kArgument,
         "cannot make the sampler: two of {} steps have the same noise level\n  use fewer steps or "
         "another sampler",
         steps());
  }
}

}  // namespace semblance
