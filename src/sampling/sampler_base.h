// The interface of samplers, which turn noise into a picture's latent. sampler.h lists them. They
// equal diffusers' schedulers (0.42) except for last bits.
//
//   auto sampler = make_sampler(*find_sampler("dpmpp_2m"), config, 30, {.curve = Curve::kKarras});
//   latent = noise * sampler->init_noise_sigma();    // or a picture's, after add_noise(0, ...)
//   for (int i = 0; i < sampler->evaluations(); ++i) {
//     scaled = latent; sampler->scale_model_input(i, scaled);
//     output = model(scaled, sampler->timesteps()[i]);
//     if (const auto span = sampler->noise(i)) source.step(*span, noise, scratch);
//     sampler->step({i, output, noise, latent, kept});
//   }
//
// A Sampler only holds tables and is immutable. The caller owns the history of multistep methods:
// `kept`, kept_latents() tensors of the latent's size. The latent and `kept` are the whole state of
// a run: save both after any evaluation, and the run can be resumed with the same bits.
#pragma once

#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "sampling/scheduler_config.h"

namespace semblance {

/// The noise levels that a step with noise leads from and to. Brownian noise depends on them.
struct NoiseSpan {
  float from = 0;
  float to = 0;
};

/// The step after one evaluation. All spans except `kept` have the latent's size.
struct StepData {
  int evaluation = 0;
  std::span<const float> output;      // the model's output after guidance
  std::span<const float> noise = {};  // standard normal; only if noise(evaluation)
  std::span<float> latent;            // unscaled; advanced in place
  std::span<float> kept = {};         // as left by the previous step; any content at first
};

/// Samples one picture. Evaluations run in order, once each. Immutable, so thread-safe.
class Sampler {
 public:
  virtual ~Sampler() = default;

  /// The timestep given to the model at each evaluation.
  std::span<const float> timesteps() const { return timesteps_; }
  /// How often the model runs: the requested steps, or more for a method that evaluates it twice.
  /// Progress and the start and end of IdentityNet count evaluations.
  int evaluations() const { return static_cast<int>(timesteps_.size()); }
  /// The standard deviation that the first latent must have.
  float init_noise_sigma() const { return init_noise_sigma_; }
  /// The noise level of the model's input at an evaluation: the noise's standard deviation relative
  /// to the picture's scale. Infinite for pure noise.
  float sigma(int evaluation) const { return at(evaluation).sigma; }
  /// From the highest to the lowest noise level, those of skipped steps included.
  NoiseSpan whole_span() const { return whole_span_; }

  /// The number of tensors in `kept`.
  virtual int kept_latents() const { return 0; }
  /// Set if the step draws noise, a latent's worth. A resumed run must draw it again.
  virtual std::optional<NoiseSpan> noise(int) const { return std::nullopt; }

  /// Scales the latent to the model's input, in place.
  void scale_model_input(int evaluation, std::span<float> latent) const;
  /// Adds noise of an evaluation's level to a picture's latent, which is then an unscaled latent:
  /// where a run that starts from a picture begins.
  void add_noise(int evaluation, std::span<const float> noise, std::span<float> picture) const;
  /// Advances the latent.
  virtual void step(const StepData& data) const = 0;
  /// For previews: the noise-free latent that the model predicts, from its input `scaled` and its
  /// `output`. dst may be either source.
  void predict(int evaluation, std::span<const float> scaled, std::span<const float> output,
               std::span<float> dst) const;

 protected:
  /// Turns the model's output m for x into the noise-free latent x0. The forms keep the order of
  /// operations of diffusers' classes.
  struct Denoise {
    float x = 1;
    float output = 0;
    float divisor = 1;
    bool divides_x_alone = false;
    float limit = std::numeric_limits<float>::infinity();

    float operator()(float latent, float m) const {
      const float x0 =
          divides_x_alone ? m * output + latent / divisor : (latent * x + m * output) / divisor;
      return x0 < -limit ? -limit : x0 > limit ? limit : x0;
    }
  };
  struct Level {
    float sigma = 0;
    Denoise denoise = {};
    float input_divisor = 1;
  };

  /// One level and one timestep for each evaluation; drops the first `skipped`.
  Sampler(std::vector<float> timesteps, std::vector<Level> levels, float init_noise_sigma,
          int skipped = 0);

  const Level& at(int evaluation) const;
  /// Asserts that the spans have the right sizes.
  void check(const StepData& data) const;
  /// Tensor `index` of `kept`.
  static std::span<float> kept(const StepData& data, int index);

 private:
  std::vector<float> timesteps_;
  std::vector<Level> levels_;
  NoiseSpan whole_span_;
  float init_noise_sigma_;
};

}  // namespace semblance
