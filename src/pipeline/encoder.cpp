#include "pipeline/encoder.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/error.h"

namespace semblance {
namespace {

/// To -1..1, as diffusers' image processor does.
void normalise(const Image& picture, std::span<float> values) {
  SEMBLANCE_ASSERT(values.size() == picture.pixels().size());
  std::ranges::transform(picture.pixels(), values.begin(), [](std::uint8_t value) {
    return 2.0F * (static_cast<float>(value) / 255.0F) - 1.0F;
  });
}

}  // namespace

void check_picture(const Request& request, const StartPicture* start) {
  const bool has_mask = start != nullptr && !start->mask.empty();
  if (request.strength.has_value() != (start != nullptr)) {
    fail(ErrorKind::kArgument, "cannot start from a picture: {}",
         start == nullptr ? "a strength is given, but no picture"
                          : "a picture is given, but no strength");
  }
  if (request.has_mask != has_mask) {
    fail(ErrorKind::kArgument, "cannot start from a picture: expected {}",
         request.has_mask ? "a mask" : "none of its parts to be masked");
  }
  if (start == nullptr) return;
  const Size size{request.width, request.height};
  for (const Size& given : {start->picture.size(), has_mask ? start->mask.size() : size}) {
    if (given == size) continue;
    fail(ErrorKind::kArgument,
         "cannot start from a picture: expected one of {}x{}, as the new picture, got {}x{}",
         size.w, size.h, given.w, given.h);
  }
}

OtherMemory encoder_memory(const Request& request, const NamedType& latent) {
  const std::uint64_t pixels =
      static_cast<std::uint64_t>(request.width) * static_cast<std::uint64_t>(request.height);
  return {.kept_bytes = pixels * (request.has_mask ? 4 : 3) + latent.type.bytes()};
}

void shrink_mask(const Mask& picture, std::int64_t fold, std::span<float> mask) {
  const auto by = static_cast<std::size_t>(fold);
  const auto width = static_cast<std::size_t>(picture.size().w);
  const std::size_t columns = width / by;
  for (std::size_t i = 0; i < mask.size(); ++i) {
    const std::uint8_t value = picture.values()[i / columns * by * width + i % columns * by];
    mask[i] = value >= kCovered ? 1.0F : 0.0F;
  }
}

void keep_unmasked(const Sampler& sampler, int evaluation, std::span<const float> picture,
                   std::span<const float> noise, std::span<const float> mask,
                   std::span<float> latent) {
  SEMBLANCE_ASSERT(latent.size() % mask.size() == 0);
  std::array<float, 1024> part;
  for (std::size_t begin = 0; begin < latent.size(); begin += part.size()) {
    const std::size_t count = std::min(part.size(), latent.size() - begin);
    const std::span<float> kept = std::span(part).first(count);
    std::ranges::copy(picture.subspan(begin, count), kept.begin());
    if (evaluation < sampler.evaluations())
      sampler.add_noise(evaluation, noise.subspan(begin, count), kept);
    for (std::size_t i = 0; i < count; ++i) {
      const float m = mask[(begin + i) % mask.size()];
      float& value = latent[begin + i];
      value = (1 - m) * kept[i] + m * value;
    }
  }
}

void join_masked(std::span<const float> mask, std::span<const float> latent,
                 std::span<float> joined) {
  const std::size_t area = mask.size(), channels = latent.size() / area;
  for (std::size_t i = 0; i < area; ++i) {
    float* const place = &joined[i * (1 + channels)];
    place[0] = mask[i];
    for (std::size_t c = 0; c < channels; ++c) place[1 + c] = latent[c * area + i];
  }
}

void split_masked(std::span<const float> joined, std::span<float> mask, std::span<float> latent) {
  const std::size_t area = mask.size(), channels = latent.size() / area;
  for (std::size_t i = 0; i < area; ++i) {
    const float* const place = &joined[i * (1 + channels)];
    mask[i] = place[0];
    for (std::size_t c = 0; c < channels; ++c) latent[c * area + i] = place[1 + c];
  }
}

void encode_picture(const OpenedModels& models, const Workspace& workspace, const Stage& stage,
                    const Image& picture, const Mask& hidden, std::span<const float> noise,
                    std::span<float> latent, const std::stop_token& stop) {
  Session session = stage.open(workspace.backend(), stage.options(workspace), stop);
  fill_input(session, "picture", [&](std::span<float> values) {
    normalise(picture, values);
    const std::span<const std::uint8_t> mask = hidden.values();
    for (std::size_t i = 0; i < mask.size(); ++i) {
      if (mask[i] >= kCovered) std::ranges::fill(values.subspan(3 * i, 3), 0.0F);
    }
  });
  session.run(stop);
  // [h,w,2c] -> [c,h,w]
  const std::vector<float> moments = session.output_f32("moments");
  const auto channels = static_cast<std::size_t>(models.vae.latent_channels);
  const std::size_t area = latent.size() / channels;
  SEMBLANCE_ASSERT(noise.size() == latent.size() && moments.size() == 2 * latent.size());
  for (std::size_t pixel = 0; pixel < area; ++pixel) {
    const float* const mean = moments.data() + pixel * 2 * channels;
    const float* const log_variance = mean + channels;
    for (std::size_t c = 0; c < channels; ++c) {
      const float deviation = std::exp(0.5F * std::clamp(log_variance[c], -30.0F, 20.0F));
      const std::size_t i = c * area + pixel;
      latent[i] = models.vae.scaling_factor * (mean[c] + deviation * noise[i]);
    }
  }
}

}  // namespace semblance
