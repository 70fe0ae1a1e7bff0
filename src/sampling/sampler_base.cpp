#include "sampling/sampler_base.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/error.h"

namespace semblance {

Sampler::Sampler(std::vector<float> timesteps, std::vector<Level> levels, float init_noise_sigma,
                 int skipped)
    : timesteps_(std::move(timesteps)),
      levels_(std::move(levels)),
      init_noise_sigma_(init_noise_sigma) {
  SEMBLANCE_ASSERT(timesteps_.size() == levels_.size());
  SEMBLANCE_ASSERT(skipped >= 0 && skipped < evaluations());
  const auto [least, largest] = std::ranges::minmax(levels_, {}, &Level::sigma);
  whole_span_ = {largest.sigma, least.sigma};
  timesteps_.erase(timesteps_.begin(), timesteps_.begin() + skipped);
  levels_.erase(levels_.begin(), levels_.begin() + skipped);
}

const Sampler::Level& Sampler::at(int evaluation) const {
  SEMBLANCE_ASSERT(evaluation >= 0 && evaluation < evaluations());
  return levels_[static_cast<std::size_t>(evaluation)];
}

void Sampler::check(const StepData& data) const {
  const std::size_t size = data.latent.size();
  SEMBLANCE_ASSERT(data.output.size() == size);
  SEMBLANCE_ASSERT(data.kept.size() >= static_cast<std::size_t>(kept_latents()) * size);
  SEMBLANCE_ASSERT(data.noise.size() == size || !noise(data.evaluation));
}

std::span<float> Sampler::kept(const StepData& data, int index) {
  const std::size_t size = data.latent.size();
  return data.kept.subspan(static_cast<std::size_t>(index) * size, size);
}

void Sampler::scale_model_input(int evaluation, std::span<float> latent) const {
  const float divisor = at(evaluation).input_divisor;
  if (divisor == 1.0F) return;
  for (float& value : latent) value /= divisor;
}

void Sampler::add_noise(int evaluation, std::span<const float> noise,
                        std::span<float> picture) const {
  SEMBLANCE_ASSERT(noise.size() == picture.size());
  const Level& level = at(evaluation);
  // Latents whose input is scaled grow with the noise; the others keep a variance of 1.
  const double sigma = level.sigma;
  const bool grows = level.input_divisor != 1.0F;
  const double signal = grows ? 1 : 1 / std::sqrt(sigma * sigma + 1);
  const double share = grows ? sigma : std::isinf(sigma) ? 1 : sigma * signal;
  for (std::size_t i = 0; i < picture.size(); ++i)
    picture[i] = static_cast<float>(signal) * picture[i] + static_cast<float>(share) * noise[i];
}

void Sampler::predict(int evaluation, std::span<const float> scaled, std::span<const float> output,
                      std::span<float> dst) const {
  SEMBLANCE_ASSERT(scaled.size() == dst.size() && output.size() == dst.size());
  const Level& level = at(evaluation);
  for (std::size_t i = 0; i < dst.size(); ++i)
    dst[i] = level.denoise(scaled[i] * level.input_divisor, output[i]);
}

}  // namespace semblance
