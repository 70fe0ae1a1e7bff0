// The samplers' timesteps and noise levels, equal to those of diffusers (0.42) or, for a front
// end's curve, to that front end's.
//
// Arithmetic uses the same types as diffusers, so timesteps are equal and sigmas agree to two units
// in the last place: torch's square root is not correctly rounded on every processor, ours is.
// (With rescale_betas_zero_snr, which subtracts such roots, sigmas agree to 1e-5.)
#pragma once

#include <vector>

#include "sampling/scheduler_config.h"

namespace semblance {

/// diffusers' classes space and round timesteps in four ways.
enum class Family {
  kKDiffusion,  // Euler, Heun, LMS, ...: N timesteps, fractional
  kTimesteps,   // DDIM, PNDM: N timesteps, integers
  kMultistep,   // DPM-Solver, DEIS, UniPC: N + 1 timesteps without the last, integers
  kSinglestep,  // DPM-Solver singlestep: like kMultistep, always linspace
};

/// The noise levels of training: at timestep t the signal keeps alpha_bar[t] of its variance.
class TrainedNoise {
 public:
  /// Throws Error(kCorrupt) if the betas give a level that is not positive and finite.
  explicit TrainedNoise(const SchedulerConfig& config);

  /// In float32, as in torch. With rescale_betas_zero_snr the last is 0.
  const std::vector<float>& alpha_bars() const { return alpha_bars_; }
  /// sqrt((1 - alpha_bar) / alpha_bar), ascending. An alpha_bar of 0 is replaced by 2^-24.
  const std::vector<float>& sigmas() const { return sigmas_; }
  /// Linear interpolation; clamped at the ends.
  double sigma_at(double timestep) const;
  /// The fractional timestep with this sigma: linear interpolation of log(sigma).
  double timestep_of(double sigma) const;
  /// The inverse of timestep_of().
  double log_linear_sigma_at(double timestep) const;

 private:
  std::vector<float> alpha_bars_;
  std::vector<float> sigmas_;
  std::vector<float> log_sigmas_;
};

/// The schedule of one picture.
struct Schedule {
  /// The timestep given to the model at each step, descending. As in diffusers, there may be one
  /// more than the requested steps if trailing spacing divides inexactly.
  std::vector<float> timesteps;
  /// Noise levels: one for each timestep, then the final one.
  std::vector<double> sigmas;
};

/// All optional betas and the spacing of `config` must be set. Throws Error(kArgument) unless steps
/// is in 1..train_timesteps (for kMultistep with leading spacing, the maximum is one less), and
/// Error(kCorrupt) for noise levels outside 1e-6..1e6.
Schedule make_schedule(const SchedulerConfig& config, const TrainedNoise& trained, Family family,
                       int steps);

}  // namespace semblance
