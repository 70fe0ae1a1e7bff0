// The base of DPM-Solver, DEIS and UniPC: latent = alpha * picture + z * noise, with variance 1, is
// also the model's input. Steps are in lambda = log(alpha / z), half the logarithm of the
// signal-to-noise ratio (Lu et al. 2022).
//
// Coefficients are computed in float32, like diffusers' zero-dimensional tensors.
#pragma once

#include <vector>

#include "sampling/sampler.h"
#include "sampling/schedule.h"

namespace semblance {

/// The signal-to-noise ratio at a sigma.
struct Snr {
  float alpha = 1;
  float z = 0;
  float lambda = 0;
  explicit Snr(float sigma);
};

class Solver : public Sampler {
 protected:
  /// Throws Error(kArgument) if two steps have the same noise level.
  Solver(const SamplerSettings& settings, const Schedule& schedule);

  /// Without those skipped.
  int steps() const { return static_cast<int>(sigmas_.size()) - 1; }
  /// The sigma at which a step starts; the final one for step == steps().
  float step_sigma(int step) const { return sigmas_[static_cast<std::size_t>(step)]; }
  const Snr& snr(int step) const { return snrs_[static_cast<std::size_t>(step)]; }
  /// Whether the last steps use a lower order, for stability with few steps.
  bool lowers_order() const { return lowers_order_; }

 private:
  std::vector<float> sigmas_;
  std::vector<Snr> snrs_;
  bool lowers_order_;
};

/// The schedule of most solvers.
Schedule solver_schedule(const SamplerSettings& settings, Family family);

}  // namespace semblance
