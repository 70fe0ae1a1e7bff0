#include "pipeline/decoder.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/convert.h"
#include "core/error.h"
#include "pipeline/layout.h"
#include "runtime/session.h"

namespace semblance {

namespace {

/// A session that has computed "picture".
Session decoded(const OpenedModels& models, const Backend& backend, std::span<const float> latent,
                Size size, DType dtype, const std::stop_token& stop) {
  const VaeConfig& vae = models.vae;
  Graph graph;
  const Scope root(&graph, "");
  const Value input = root.input(
      "latent", DType::kF32, {1, size.h / vae.fold(), size.w / vae.fold(), vae.latent_channels});
  graph.add_output("picture", vae_decoder(root, vae, input, dtype).id);
  Session session(std::move(graph), backend, models.vae_weights,
                  SessionOptions{.resident_limit_bytes = 0}, stop);
  const std::span<std::byte> bytes = session.input("latent");
  const std::span<float> unscaled{reinterpret_cast<float*>(bytes.data()), latent.size()};
  channels_last(latent, static_cast<std::size_t>(vae.latent_channels), unscaled);
  for (float& value : unscaled) value /= vae.scaling_factor;
  session.run(stop);
  return session;
}

}  // namespace

std::vector<float> decode_latent(const OpenedModels& models, const Backend& backend,
                                 std::span<const float> latent, Size size, DType dtype,
                                 std::stop_token stop) {
  return decoded(models, backend, latent, size, dtype, stop).output_f32("picture");
}

Image decode_picture(const OpenedModels& models, const Backend& backend,
                     std::span<const float> latent, Size size, DType dtype, std::stop_token stop) {
  const Session session = decoded(models, backend, latent, size, dtype, stop);
  const Graph& graph = session.graph();
  return to_image(graph.type(graph.find_output("picture")).dtype, session.output("picture"), size);
}

Image to_image(DType dtype, std::span<const std::byte> picture, Size size) {
  Image image(size);
  const std::span<std::uint8_t> pixels = image.pixels();
  SEMBLANCE_ASSERT(picture.size() == pixels.size() * size_of(dtype));
  std::array<float, 4096> part;
  for (std::size_t begin = 0; begin < pixels.size(); begin += part.size()) {
    const std::span<float> values =
        std::span(part).first(std::min(part.size(), pixels.size() - begin));
    to_f32(dtype, picture.subspan(begin * size_of(dtype), values.size() * size_of(dtype)), values);
    std::transform(values.begin(), values.end(), pixels.subspan(begin).begin(), [](float value) {
      // NaN stays, and becomes black.
      const float unit = std::clamp(value * 0.5F + 0.5F, 0.0F, 1.0F);
      return static_cast<std::uint8_t>(std::isnan(unit) ? 0.0F : std::nearbyint(unit * 255.0F));
    });
  }
  return image;
}

}  // namespace semblance
