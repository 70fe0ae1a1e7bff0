// The noise of one picture: what diffusers, AUTOMATIC1111 or ComfyUI draws for a seed, on a CPU or
// on a GPU.
//
//   auto source = make_noise_source(row, *sampler, {.seed = 42});
//   source->latent(latent);                                                        // once, first
//   if (const auto span = sampler->noise(i)) source->step(*span, noise, scratch);  // in each step
//
// To resume a run, draw its earlier noise again with skip_drawn().
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "sampling/sampler.h"

namespace semblance {

enum class NoiseStyle {
  // Each picture has a generator seeded with seed + picture, for its latent and its steps. The
  // steps of DPM++ SDE use a Brownian tree.
  kDiffusers,
  // AUTOMATIC1111: the same, but all SDE samplers use a tree.
  kWebUi,
  // One draw on the CPU for the latents of the whole batch. Steps also draw for the batch, from a
  // new generator on the device: with the seed on a GPU, with seed + 1 on a CPU. All SDE samplers
  // use a tree, on the CPU.
  kComfyUi,
};

struct NoiseOptions {
  NoiseStyle style = NoiseStyle::kDiffusers;
  std::uint64_t seed = 0;
  int picture = 0;   // its index in the batch
  int pictures = 1;  // in the batch; ComfyUI's noise can depend on it
  bool is_cuda = false;
  std::optional<std::uint64_t> cuda_threads = {};  // GpuRow::threads(); absent: NV
  std::uint64_t step_seed_delta = 0;               // AUTOMATIC1111's ENSD: steps use seed + delta
};

/// Not thread-safe.
class NoiseSource {
 public:
  virtual ~NoiseSource() = default;
  /// Fill dst with numbers of mean 0 and standard deviation 1. Every call has the same size.
  virtual void latent(std::span<float> dst) = 0;
  /// For a run that starts from a picture: the noise with which the VAE's posterior is sampled;
  /// zeros where the front end takes its mean.
  virtual void posterior(std::span<float> dst) = 0;
  /// `scratch` has scratch_latents() times the size of dst.
  virtual void step(NoiseSpan span, std::span<float> dst, std::span<float> scratch) = 0;
  /// Above 0 for a Brownian tree, whose noise does not depend on what was drawn before.
  virtual int scratch_latents() const { return 0; }
};

/// Throws Error(kArgument) unless 0 <= picture < pictures, or if step_seed_delta is set without
/// kWebUi.
std::unique_ptr<NoiseSource> make_noise_source(const SamplerRow& row, const Sampler& sampler,
                                               const NoiseOptions& options);

/// Draws the noise that a run uses before `evaluation` and discards it, where later noise depends
/// on it. `scratch` has the latent's size. `posteriors`: how many a run that starts from a picture
/// draws, the first before latent(), the others after it.
void skip_drawn(NoiseSource& source, const Sampler& sampler, int evaluation,
                std::span<float> scratch, int posteriors = 0);

/// AUTOMATIC1111's variation seed: interpolates `noise` [c,h,w] towards `other` by `strength`,
/// spherically along each column of h numbers. (If both are nearly equal, that program interpolates
/// linearly with the weights swapped; so does this.)
void mix_noise(std::span<float> noise, std::span<const float> other, int height, int width,
               float strength);

}  // namespace semblance
