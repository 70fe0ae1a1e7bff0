// Euler's method over a discrete noise schedule, equal to diffusers' EulerDiscreteScheduler (0.42).
//
// (Karras et al. 2022, algorithm 2 without churn.) Arithmetic is in the types that diffusers uses,
// so that timesteps are equal and sigmas agree to two units in the last place: torch's square root
// is not correctly rounded on every processor, ours is. (With rescale_betas_zero_snr, which takes
// differences of such roots, sigmas agree to 1e-5.)
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace semblance {

class Json;

/// The sampler that there is, as diffusers calls it.
inline constexpr std::string_view kEulerClass = "EulerDiscreteScheduler";

/// scheduler_config.json, with diffusers' defaults for EulerDiscreteScheduler. A config of another
/// scheduler is read for Euler, as from_config does; `class_name` says whose it is.
struct SchedulerConfig {
  enum class BetaSchedule { kLinear, kScaledLinear };
  enum class Prediction { kEpsilon, kVPrediction, kSample };
  enum class Spacing { kLinspace, kLeading, kTrailing };
  enum class Sigmas { kInterpolated, kKarras, kExponential };

  std::string class_name{kEulerClass};
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
  bool continuous_timesteps = false;  // counts with v prediction alone, as in diffusers
  bool rescale_betas_zero_snr = false;
  bool final_sigma_min = false;  // the last sigma is the least trained one, and not 0

  /// Throws Error(kCorrupt) for a value of a wrong type or out of range, and, by name, for what
  /// Semblance does not have: trained_betas, other beta schedules and interpolations, beta sigmas.
  static SchedulerConfig read(const Json& json);
};

/// The schedule of one picture. Immutable, so thread-safe.
class EulerScheduler {
 public:
  /// Throws Error(kArgument) unless steps is in 1..train_timesteps; Error(kCorrupt) when the betas
  /// give a noise level that is not positive and finite.
  EulerScheduler(const SchedulerConfig& config, int steps);

  /// What the model is told at each step, descending. As in diffusers there may be one more than
  /// the steps asked for, when trailing spacing divides inexactly.
  std::span<const float> timesteps() const { return timesteps_; }
  /// Noise levels: one for each timestep, then the final one.
  std::span<const float> sigmas() const { return sigmas_; }
  /// The standard deviation that the first latent must have.
  float init_noise_sigma() const { return init_noise_sigma_; }

  /// Divides the latent by sqrt(sigma^2 + 1) of a step: what the model reads. In place.
  void scale_model_input(int step, std::span<float> latent) const;
  /// Takes a latent (not scaled) over one step, given the model's output for it. In place.
  void step(int step, std::span<const float> model_output, std::span<float> latent) const;

 private:
  void check_step(int step) const;

  SchedulerConfig::Prediction prediction_;
  std::vector<float> timesteps_;
  std::vector<float> sigmas_;
  float init_noise_sigma_ = 1;
};

/// Classifier-free guidance: dst = uncond + guidance * (cond - uncond). dst may be either source.
void guide(std::span<const float> uncond, std::span<const float> cond, float guidance,
           std::span<float> dst);

}  // namespace semblance
