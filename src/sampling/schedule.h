// The samplers' noise schedule: reads scheduler_config.json and computes the timesteps and noise
// levels, equal to those of diffusers' EulerDiscreteScheduler (0.42).
//
// Arithmetic uses the same types as diffusers, so timesteps are equal and sigmas agree to two units
// in the last place: torch's square root is not correctly rounded on every processor, ours is.
// (With rescale_betas_zero_snr, which subtracts such roots, sigmas agree to 1e-5.)
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace semblance {

class Json;

/// scheduler_config.json, with diffusers' defaults for EulerDiscreteScheduler. Another scheduler's
/// config is read as if it were Euler's, as in from_config; `class_name` is the original scheduler.
struct SchedulerConfig {
  enum class BetaSchedule { kLinear, kScaledLinear };
  enum class Prediction { kEpsilon, kVPrediction, kSample };
  enum class Spacing { kLinspace, kLeading, kTrailing };
  enum class Sigmas { kInterpolated, kKarras, kExponential };

  std::string class_name = "EulerDiscreteScheduler";
  int train_timesteps = 1000;
  double beta_start = 0.0001;
  double beta_end = 0.02;
  BetaSchedule beta_schedule = BetaSchedule::kLinear;
  Prediction prediction = Prediction::kEpsilon;
  Spacing spacing = Spacing::kLinspace;
  Sigmas sigmas = Sigmas::kInterpolated;
  std::optional<double> sigma_min = {};  // for Karras and exponential sigmas
  std::optional<double> sigma_max = {};
  int steps_offset = 0;
  bool continuous_timesteps = false;  // only used with v prediction, as in diffusers
  bool rescale_betas_zero_snr = false;
  bool final_sigma_min = false;  // the last sigma is the lowest trained one instead of 0

  /// Throws Error(kCorrupt) for a value of the wrong type or out of range, and for unsupported
  /// settings: trained_betas, other beta schedules and interpolations, beta sigmas.
  static SchedulerConfig read(const Json& json);
};

/// The schedule of one picture.
struct Schedule {
  /// The timestep given to the model at each step, descending. As in diffusers, there may be one
  /// more than the requested steps if trailing spacing divides inexactly.
  std::vector<float> timesteps;
  /// Noise levels: one for each timestep, then the final one.
  std::vector<float> sigmas;
  /// The standard deviation that the first latent must have.
  float init_noise_sigma = 1;
};

/// Throws Error(kArgument) unless steps is in 1..train_timesteps; Error(kCorrupt) if the betas give
/// a noise level that is not positive and finite.
Schedule make_schedule(const SchedulerConfig& config, int steps);

}  // namespace semblance
