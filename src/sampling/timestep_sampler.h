// The base of samplers over trained timesteps (DDIM, PNDM, LCM, TCD): latent = sqrt(alpha_bar) *
// picture + sqrt(1 - alpha_bar) * noise is also the model's input.
//
// Coefficients are computed in float32, like diffusers' zero-dimensional tensors.
#pragma once

#include <vector>

#include "sampling/sampler.h"
#include "sampling/schedule.h"

namespace semblance {

class TimestepSampler : public Sampler {
 protected:
  /// Throws Error(kArgument) for timesteps beyond training, and for epsilon prediction at a
  /// timestep without signal.
  TimestepSampler(const SamplerSettings& settings, const std::vector<float>& timesteps,
                  std::vector<float> alpha_bars);

  /// Of a timestep; of the final picture for a timestep below 0.
  float alpha_bar(int timestep) const {
    return timestep < 0 ? final_alpha_bar_ : alpha_bars_[static_cast<std::size_t>(timestep)];
  }
  int timestep(int evaluation) const {
    return static_cast<int>(timesteps()[static_cast<std::size_t>(evaluation)]);
  }
  Prediction prediction() const { return prediction_; }
  /// The noise levels of two timesteps.
  NoiseSpan span(int from, int to) const;

 private:
  std::vector<float> alpha_bars_;
  float final_alpha_bar_;
  Prediction prediction_;
};

/// The noise that the model predicts in x, from its output m or the noise-free x0.
struct SeenNoise {
  SeenNoise(Prediction prediction, float alpha_bar);
  float operator()(float x, float x0, float m) const {
    switch (prediction) {
      case Prediction::kEpsilon:
        return m;
      case Prediction::kV:
        return alpha * m + z * x;
      case Prediction::kSample:
        break;
    }
    return (x - alpha * x0) / z;
  }
  Prediction prediction;
  float alpha;
  float z;
};

/// Evenly spaced timesteps, for DDIM and PNDM.
std::vector<float> even_timesteps(const SamplerSettings& settings);
/// For LCM and TCD: the timesteps that consistency models are distilled for, or those of the
/// spacing if there is one, as DMD2 needs. Throws Error(kArgument) for more steps than
/// original_inference_steps.
std::vector<float> consistency_timesteps(const SamplerSettings& settings);

}  // namespace semblance
