// The sampler of a request: the model's, or what the request says (pipeline/sampling_choices.h).
#pragma once

#include <memory>
#include <vector>

#include "pipeline/request.h"
#include "pipeline/values.h"
#include "sampling/noise_source.h"

namespace semblance {

/// A picture's sampler and noise.
struct PictureSampler {
  std::unique_ptr<Sampler> sampler;
  std::unique_ptr<NoiseSource> noise;

  /// The values that steps need beside the latent, each [n,c,h,w], if there are any:
  ///   kept    the sampler's state
  ///   drawn   a step's noise, then the noise source's scratch
  std::vector<NamedType> values(const NamedType& latent) const;
};

/// Throws what make_sampler() throws: for options that the sampler does not support, say.
PictureSampler make_picture_sampler(const Request& request, const SchedulerConfig& config);

/// For texts: a request's sampler and its curve of noise levels.
struct SamplerInUse {
  const SamplerRow* sampler;
  Curve curve;
};
SamplerInUse sampler_in_use(const Request& request, const SchedulerConfig& config);

/// The request of picture `index` of `count`, from 0, made one after the other. Each has its own
/// seed, counted up; with ComfyUI's noise they are a batch with one seed.
Request nth_picture(const Request& first, int index, int count);
/// Whether both are the same picture of the same job.
bool is_same_picture(const Request& a, const Request& b);

}  // namespace semblance
