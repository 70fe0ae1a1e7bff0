#include "pipeline/picture_sampler.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace semblance {
namespace {

/// A model whose sampler Semblance lacks uses the default one; find_warnings() reports it.
const SamplerRow& row_of(const Request& request, const SchedulerConfig& config) {
  if (request.scheduler) return sampler_of(*request.scheduler);
  const SamplerRow* row = find_sampler(config);
  return row == nullptr ? default_sampler() : *row;
}

SamplerOptions options_of(const Request& request) {
  SamplerOptions options{.eta = request.eta, .skipped_steps = request.skipped_steps()};
  if (request.sigmas) {
    const CurveRow& row = curve_of(*request.sigmas);
    options.curve = row.curve;
    options.spacing = row.spacing;
  }
  if (request.spacing) options.spacing = spacing_of(*request.spacing);
  if (request.prediction) options.prediction = prediction_of(*request.prediction);
  if (request.zero_snr) options.zero_terminal_snr = true;
  return options;
}

}  // namespace

std::vector<NamedType> PictureSampler::values(const NamedType& latent) const {
  const auto several = [&](std::string name, std::int64_t n) {
    const Shape& one = latent.type.shape;
    return NamedType{std::move(name), {DType::kF32, {n, one[0], one[1], one[2]}}};
  };
  bool draws = false;
  for (int i = 0; i < sampler->evaluations(); ++i) draws = draws || sampler->noise(i).has_value();
  std::vector<NamedType> values;
  if (sampler->kept_latents() > 0) values.push_back(several("kept", sampler->kept_latents()));
  if (draws) values.push_back(several("drawn", 1 + noise->scratch_latents()));
  return values;
}

PictureSampler make_picture_sampler(const Request& request, const SchedulerConfig& config) {
  const SamplerRow& row = row_of(request, config);
  NoiseOptions options = noise_of(request.noise);
  options.seed = request.seed.value_or(Request::kSeed);
  options.picture = request.noise_picture;
  options.pictures = request.noise_batch.value_or(request.noise_picture + 1);
  if (options_of(request).skipped_steps == request.step_count()) {
    fail(ErrorKind::kArgument,
         "cannot start from a picture with strength {}: of {} steps none is left\n  use a strength "
         "of at least {}",
         *request.strength, request.step_count(), std::ceil(1000.0 / request.step_count()) / 1000);
  }
  auto sampler = make_sampler(row, config, request.step_count(), options_of(request));
  auto noise = make_noise_source(row, *sampler, options);
  return {std::move(sampler), std::move(noise)};
}

SamplerInUse sampler_in_use(const Request& request, const SchedulerConfig& config) {
  const SamplerRow& row = row_of(request, config);
  if (request.sigmas) return {&row, curve_of(*request.sigmas).curve};
  return {&row, row.has(kReadsCurve) ? config.curve : Curve::kDefault};
}

Request nth_picture(const Request& first, int index, int count) {
  Request request = first;
  if (noise_of(first.noise).style == NoiseStyle::kComfyUi) {
    request.noise_picture = first.noise_picture + index;
    request.noise_batch = std::max(first.noise_batch.value_or(1), first.noise_picture + count);
  } else {
    request.seed = first.seed.value_or(Request::kSeed) + static_cast<std::uint64_t>(index);
  }
  return request;
}

bool is_same_picture(const Request& a, const Request& b) {
  return a.seed == b.seed && a.noise_picture == b.noise_picture;
}

}  // namespace semblance
