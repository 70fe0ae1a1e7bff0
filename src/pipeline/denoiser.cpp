#include "pipeline/denoiser.h"

#include "pipeline/layout.h"

namespace semblance {

Denoiser::Denoiser(const Stage& stage, const Workspace& workspace, const Values& values,
                   std::stop_token stop, KeptWeights kept)
    : Denoiser(stage, workspace.backend(), stage.options(workspace, kept.bytes), values,
               std::move(stop), std::move(kept)) {}

Denoiser::Denoiser(const Stage& stage, const Backend& backend, const SessionOptions& options,
                   const Values& values, std::stop_token stop, KeptWeights kept)
    : kind_(*stage.step),
      session_(stage.open(backend, options, std::move(stop), std::move(kept))),
      spare_bytes_(options.fit.host_bytes
                       ? *options.fit.host_bytes - session_.plan().host_bytes()
                       : options.fit.memory_bytes - session_.plan().memory_bytes()) {
  for (const NamedType& value : stage.ins) {
    if (value.name != "latent") set_input(session_, value.name, values.at(value.name));
  }
}

void Denoiser::run(std::span<const float> latent, float timestep, std::span<float> noise,
                   const std::stop_token& stop) {
  const std::span<std::byte> bytes = session_.input("latent");
  const std::span<float> input{reinterpret_cast<float*>(bytes.data()),
                               bytes.size() / sizeof(float)};
  const std::size_t n = input.size() / latent.size();
  const Graph& graph = session_.graph();
  const auto channels = static_cast<std::size_t>(graph.type(graph.find_input("latent")).shape[-1]);
  for (std::size_t i = 0; i < n; ++i)
    channels_last(latent, channels, input.subspan(i * latent.size(), latent.size()));
  session_.set_input("timestep", std::span(&timestep, 1));
  session_.run(stop);
  const std::span<const std::byte> made = session_.output("noise");
  SEMBLANCE_ASSERT(made.size() == noise.size_bytes());
  const std::span<const float> output{reinterpret_cast<const float*>(made.data()), noise.size()};
  for (std::size_t i = 0; i < noise.size() / latent.size(); ++i) {
    channels_first(output.subspan(i * latent.size(), latent.size()), channels,
                   noise.subspan(i * latent.size(), latent.size()));
  }
}

}  // namespace semblance
