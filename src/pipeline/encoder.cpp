#include "pipeline/encoder.h"

#include <algorithm>
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

void check_picture(const Request& request, const Image* picture) {
  if (request.strength.has_value() != (picture != nullptr)) {
    fail(ErrorKind::kArgument, "cannot start from a picture: {}",
         picture == nullptr ? "a strength is given, but no picture"
                            : "a picture is given, but no strength");
  }
  if (picture == nullptr || picture->size() == Size{request.width, request.height}) return;
  fail(ErrorKind::kArgument,
       "cannot start from a picture: expected one of {}x{}, as the new picture, got {}x{}",
       request.width, request.height, picture->width(), picture->height());
}

OtherMemory encoder_memory(const NamedType& latent, Size size) {
  const std::uint64_t picture =
      3 * static_cast<std::uint64_t>(size.w) * static_cast<std::uint64_t>(size.h);
  return {.kept_bytes = picture + latent.type.bytes()};
}

void encode_picture(const OpenedModels& models, const Workspace& workspace, const Stage& stage,
                    const Image& picture, std::span<const float> noise, std::span<float> latent,
                    const std::stop_token& stop) {
  Session session = stage.open(workspace.backend(), stage.options(workspace), stop);
  fill_input(session, "picture", [&](std::span<float> values) { normalise(picture, values); });
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
