#include "pipeline/decoder.h"

#include <algorithm>
#include <cmath>

#include "pipeline/layout.h"
#include "runtime/session.h"

namespace semblance {

std::vector<float> decode_latent(const OpenedModels& models, const Backend& backend,
                                 std::span<const float> latent, Size size, DType dtype,
                                 std::stop_token stop) {
  const VaeConfig& vae = models.vae;
  Graph graph;
  const Scope root(&graph, "");
  const Value input = root.input(
      "latent", DType::kF32, {1, size.h / vae.fold(), size.w / vae.fold(), vae.latent_channels});
  graph.add_output("picture", vae_decoder(root, vae, input, dtype).id);
  Session session(std::move(graph), backend, models.vae_weights,
                  SessionOptions{.resident_limit_bytes = 0}, stop);
  std::vector<float> unscaled(latent.begin(), latent.end());
  for (float& value : unscaled) value /= vae.scaling_factor;
  std::vector<float> turned(unscaled.size());
  channels_last(unscaled, static_cast<std::size_t>(vae.latent_channels), turned);
  session.set_input("latent", turned);
  session.run(stop);
  return session.output_f32("picture");
}

Image to_image(std::span<const float> picture, Size size) {
  Image image(size);
  std::transform(picture.begin(), picture.end(), image.pixels().begin(), [](float value) {
    const float unit = std::clamp(value * 0.5F + 0.5F, 0.0F, 1.0F);  // NaN stays, and becomes black
    return static_cast<std::uint8_t>(std::isnan(unit) ? 0.0F : std::nearbyint(unit * 255.0F));
  });
  return image;
}

}  // namespace semblance
