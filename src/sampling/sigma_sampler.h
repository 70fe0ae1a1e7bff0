// The base of samplers over noise levels: latent = picture + sigma * noise, and the model's input
// is latent / sqrt(sigma^2 + 1) (Karras et al. 2022, k-diffusion, diffusers).
//
// Coefficients are computed in float32, like diffusers' zero-dimensional tensors, unless a
// sampler's file says otherwise.
#pragma once

#include <vector>

#include "sampling/sampler.h"
#include "sampling/schedule.h"

namespace semblance {

/// Where the model is evaluated: once in each step, or twice in each step except the last.
struct Evaluations {
  std::vector<float> sigmas;     // one for each step, then the final one
  std::vector<float> timesteps;  // one for each evaluation
  std::vector<float> levels;     // the sigma of each evaluation
  int per_step = 1;
};

Evaluations evaluate_once(const SamplerSettings& settings);
/// The second evaluation of a step is at the next level.
Evaluations evaluate_at_both_ends(const SamplerSettings& settings);
/// The second evaluation of a step is at middle(sigma, next).
Evaluations evaluate_in_the_middle(const SamplerSettings& settings,
                                   float (*middle)(float sigma, float next));

class SigmaSampler : public Sampler {
 protected:
  SigmaSampler(const SamplerSettings& settings, const Evaluations& evaluations);

  /// The sigma at which a step starts; the final one for step == steps().
  float step_sigma(int step) const { return sigmas_[static_cast<std::size_t>(step)]; }
  /// Without those skipped.
  int steps() const { return static_cast<int>(sigmas_.size()) - 1; }

 private:
  std::vector<float> sigmas_;
};

/// An ancestral step to level `to`: down to a lower level, then up with new noise.
struct Ancestral {
  float down = 0;
  float up = 0;
  Ancestral(float from, float to);
};

}  // namespace semblance
