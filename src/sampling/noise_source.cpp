#include "sampling/noise_source.h"

#include <algorithm>
#include <cmath>
#include <variant>

#include "core/error.h"
#include "sampling/brownian_tree.h"
#include "sampling/cuda_noise.h"
#include "sampling/noise.h"

namespace semblance {
namespace {

using Generator = std::variant<NoiseGenerator, CudaNoise>;

/// Draws for a batch and keeps one picture's part.
class Stream {
 public:
  Stream(Generator generator, std::size_t picture, std::size_t pictures)
      : generator_(generator), picture_(picture), pictures_(pictures) {}
  void draw(std::span<float> dst) {
    std::visit(
        [&](auto& generator) {
          generator.randn(dst, picture_ * dst.size(), pictures_ * dst.size());
        },
        generator_);
  }

 private:
  Generator generator_;
  std::size_t picture_;
  std::size_t pictures_;
};

class Source final : public NoiseSource {
 public:
  Source(const Sampler& sampler, const NoiseOptions& options, bool is_brownian)
      : options_(options), latents_(stream(latent_seed(), options.is_cuda && !is_comfy())) {
    const bool anew = is_comfy() || options.step_seed_delta != 0;
    if (anew) steps_.emplace(stream(step_seed(), options.is_cuda));
    const auto [largest, least] = sampler.whole_span();
    if (is_brownian && least < largest) {
      tree_.emplace(latent_seed(), least, largest,
                    [this](std::uint64_t seed, std::span<float> dst) {
                      // ComfyUI computes trees on the CPU.
                      stream(seed, options_.is_cuda && !is_comfy()).draw(dst);
                    });
    }
  }

  void latent(std::span<float> dst) override { latents_.draw(dst); }

  /// AUTOMATIC1111 draws it from a generator without the seed; ComfyUI takes the mean.
  void posterior(std::span<float> dst) override {
    if (options_.style == NoiseStyle::kDiffusers) return latents_.draw(dst);
    std::ranges::fill(dst, 0.0F);
  }

  void step(NoiseSpan span, std::span<float> dst, std::span<float> scratch) override {
    if (tree_) return tree_->between(span, dst, scratch);
    (steps_ ? *steps_ : latents_).draw(dst);
  }
  int scratch_latents() const override { return tree_ ? BrownianTree::kScratch : 0; }

 private:
  bool is_comfy() const { return options_.style == NoiseStyle::kComfyUi; }
  std::uint64_t latent_seed() const {
    return options_.seed + (is_comfy() ? 0 : static_cast<std::uint64_t>(options_.picture));
  }
  std::uint64_t step_seed() const {
    if (is_comfy()) return options_.seed + (options_.is_cuda ? 0 : 1);
    return latent_seed() + options_.step_seed_delta;
  }
  Stream stream(std::uint64_t seed, bool cuda) const {
    const auto part = [&](int of) { return is_comfy() ? static_cast<std::size_t>(of) : 0; };
    const std::size_t pictures = std::max<std::size_t>(part(options_.pictures), 1);
    if (cuda) return {CudaNoise(seed, options_.cuda_threads), part(options_.picture), pictures};
    return {NoiseGenerator(seed), part(options_.picture), pictures};
  }

  NoiseOptions options_;
  Stream latents_;
  std::optional<Stream> steps_;
  std::optional<BrownianTree> tree_;
};

}  // namespace

std::unique_ptr<NoiseSource> make_noise_source(const SamplerRow& row, const Sampler& sampler,
                                               const NoiseOptions& options) {
  if (options.picture < 0 || options.picture >= options.pictures) {
    fail(ErrorKind::kArgument,
         "cannot draw noise: expected a picture of the batch, 0 to {}, got {}",
         options.pictures - 1, options.picture);
  }
  if (options.step_seed_delta != 0 && options.style != NoiseStyle::kWebUi) {
    fail(ErrorKind::kArgument,
         "cannot draw noise: only AUTOMATIC1111's noise has a seed delta for steps, got {}",
         options.step_seed_delta);
  }
  const bool is_front_end = options.style != NoiseStyle::kDiffusers;
  return std::make_unique<Source>(sampler, options, row.has(is_front_end ? kIsSde : kIsBrownian));
}

void skip_drawn(NoiseSource& source, const Sampler& sampler, int evaluation,
                std::span<float> scratch, int posteriors) {
  if (source.scratch_latents() > 0) return;
  if (posteriors > 0) source.posterior(scratch);
  source.latent(scratch);
  for (int i = 1; i < posteriors; ++i) source.posterior(scratch);
  for (int i = 0; i < evaluation; ++i) {
    if (const auto span = sampler.noise(i)) source.step(*span, scratch, {});
  }
}

void mix_noise(std::span<float> noise, std::span<const float> other, int height, int width,
               float strength) {
  const auto h = static_cast<std::size_t>(height);
  const auto w = static_cast<std::size_t>(width);
  SEMBLANCE_ASSERT(noise.size() == other.size() && h * w > 0 && noise.size() % (h * w) == 0);
  const std::size_t columns = noise.size() / h;
  std::vector<double> cosines(columns);
  double sum = 0;
  const auto begin_of = [&](std::size_t column) { return column / w * h * w + column % w; };
  for (std::size_t column = 0; column < columns; ++column) {
    double a = 0, b = 0, product = 0;
    for (std::size_t y = 0; y < h; ++y) {
      const double first = noise[begin_of(column) + y * w];
      const double second = other[begin_of(column) + y * w];
      a += first * first;
      b += second * second;
      product += first * second;
    }
    cosines[column] = std::clamp(product / std::sqrt(a * b), -1.0, 1.0);
    sum += cosines[column];
  }
  const bool agree = sum / static_cast<double>(columns) > 0.9995;
  for (std::size_t column = 0; column < columns; ++column) {
    const double angle = std::acos(cosines[column]);
    const double sine = std::sin(angle);
    const double share = static_cast<double>(strength);
    const double own = agree ? share : std::sin((1 - share) * angle) / sine;
    const double others = agree ? 1 - share : std::sin(share * angle) / sine;
    for (std::size_t y = 0; y < h; ++y) {
      const std::size_t i = begin_of(column) + y * w;
      noise[i] = static_cast<float>(own * static_cast<double>(noise[i]) +
                                    others * static_cast<double>(other[i]));
    }
  }
}

}  // namespace semblance
