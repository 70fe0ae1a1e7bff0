// The methods that turn noise into a picture's latent, behind one interface. Each has its own file
// and a row in the table in sampler.cpp.
//
//   auto sampler = default_sampler().make(config, 30);
//   latent = randn * sampler->init_noise_sigma();
//   for (int i = 0; i < sampler->evaluations(); ++i) {
//     scaled = latent; sampler->scale_model_input(i, scaled);
//     output = model(scaled, sampler->timesteps()[i]);
//     sampler->step(i, output, latent, noise);
//   }
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "sampling/noise.h"
#include "sampling/schedule.h"

namespace semblance {

/// Samples one picture. Evaluations run in order, once each.
class Sampler {
 public:
  virtual ~Sampler() = default;

  /// The timestep given to the model at each evaluation.
  virtual std::span<const float> timesteps() const = 0;
  /// How often the model runs: the requested steps, or more for a method that evaluates it twice.
  int evaluations() const { return static_cast<int>(timesteps().size()); }
  /// The standard deviation that the first latent must have.
  virtual float init_noise_sigma() const = 0;

  /// Scales the latent to the model's input, in place.
  virtual void scale_model_input(int evaluation, std::span<float> latent) const = 0;
  /// Advances an unscaled latent, given the model's output for it, in place.
  virtual void step(int evaluation, std::span<const float> output, std::span<float> latent,
                    NoiseGenerator& noise) = 0;
  /// Whether step() draws noise, a latent's worth, which a resumed run must draw again.
  virtual bool draws_noise(int evaluation) const = 0;
  /// For previews: replaces `latent`, the result of step(), by the noise-free latent that this step
  /// moved towards. `scaled` is the model's input.
  virtual void predict(int evaluation, std::span<const float> scaled,
                       std::span<float> latent) const = 0;
};

struct SamplerRow {
  std::string_view name;             // "euler": in flags and JSON
  std::string_view title;            // "Euler": in a picture's text, as AUTOMATIC1111 writes it
  std::string_view diffusers_class;  // "EulerDiscreteScheduler"
  std::span<const std::string_view> aliases;
  /// Throws what make_schedule() throws.
  std::unique_ptr<Sampler> (*make)(const SchedulerConfig& config, int steps);
};

std::span<const SamplerRow> samplers();
const SamplerRow& default_sampler();
/// Finds a sampler by name, title, class or alias, ignoring case, spaces, hyphens and underscores;
/// nullptr if there is none.
const SamplerRow* find_sampler(std::string_view name);

/// "Euler": all titles, for messages.
std::string sampler_titles();

/// Classifier-free guidance: dst = uncond + guidance * (cond - uncond). dst may be either source.
void guide(std::span<const float> uncond, std::span<const float> cond, float guidance,
           std::span<float> dst);

}  // namespace semblance
