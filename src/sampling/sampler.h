// The methods that take a latent from noise to a picture, by one interface: each has a file and a
// row in the table of sampler.cpp.
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

/// One picture's way down. Evaluations come in order, each once.
class Sampler {
 public:
  virtual ~Sampler() = default;

  /// What the model is told at each evaluation.
  virtual std::span<const float> timesteps() const = 0;
  /// How often the model is run: the steps asked for, or more for a method that looks twice.
  int evaluations() const { return static_cast<int>(timesteps().size()); }
  /// The standard deviation that the first latent must have.
  virtual float init_noise_sigma() const = 0;

  /// The latent becomes what the model reads. In place.
  virtual void scale_model_input(int evaluation, std::span<float> latent) const = 0;
  /// Takes a latent (not scaled) on, given the model's output for it. In place.
  virtual void step(int evaluation, std::span<const float> output, std::span<float> latent,
                    NoiseGenerator& noise) = 0;
  /// Whether step() draws noise, as much as a latent: a resumed run draws it again.
  virtual bool draws_noise(int evaluation) const = 0;
  /// `latent`, as step() left it, becomes the one without noise that this step went towards;
  /// `scaled` is what the model read. For previews.
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
/// By name, title, class or alias, in any case and with spaces, hyphens and underscores or without;
/// nullptr where there is none.
const SamplerRow* find_sampler(std::string_view name);

/// "Euler": all titles, for messages.
std::string sampler_titles();

/// Classifier-free guidance: dst = uncond + guidance * (cond - uncond). dst may be either source.
void guide(std::span<const float> uncond, std::span<const float> cond, float guidance,
           std::span<float> dst);

}  // namespace semblance
