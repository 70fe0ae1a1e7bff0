#include "pipeline/denoiser.h"

#include <array>

#include "models/unet.h"
#include "pipeline/layout.h"

namespace semblance {
namespace {

Graph step_graph(const OpenedModels& models, const Request& request, const Conditions& conditions,
                 bool with_identity, DType dtype) {
  Graph graph;
  const Scope root(&graph, "");
  const std::int64_t n = conditions.n;
  const std::int64_t h = request.height / models.vae.fold();
  const std::int64_t w = request.width / models.vae.fold();
  const std::int64_t cross = models.resampler.output;
  const StepInputs inputs{root.input("latent", DType::kF32, {n, h, w, models.unet.in_channels}),
                          root.input("timestep", DType::kF32, {n}),
                          root.input("pooled", DType::kF32, {n, models.unet.pooled_channels()}),
                          root.input("time_ids", DType::kF32, {n * 6})};
  const Value text = root.input("text", DType::kF32, {n, conditions.text_tokens, cross});
  const Value face = root.input("face", DType::kF32, {n, models.resampler.tokens, cross});
  std::optional<IdentityInputs> identity;
  if (with_identity) {
    const Value features =
        root.input("keypoints", dtype, {1, h, w, models.identitynet.channels[0]});
    identity = IdentityInputs{Scope(&graph, "identitynet."), &models.identitynet, features,
                              request.identity_strength};
  }
  std::optional<AdapterInputs> adapter;
  if (request.adapter_strength > 0)
    adapter = AdapterInputs{Scope(&graph, "ip_adapter."), request.adapter_strength};
  graph.add_output(
      "noise",
      unet(Scope(&graph, "unet."), models.unet, inputs, text, face, identity, adapter, dtype).id);
  return graph;
}

}  // namespace

Denoiser::Denoiser(const OpenedModels& models, const Workspace& workspace, const Request& request,
                   const Conditions& conditions, bool with_identity, DType dtype,
                   std::stop_token stop)
    : with_identity_(with_identity),
      n_(static_cast<std::size_t>(conditions.n)),
      channels_(static_cast<std::size_t>(models.unet.in_channels)),
      session_(std::make_unique<Session>(
          step_graph(models, request, conditions, with_identity, dtype), workspace.backend(),
          models.denoiser_weights, workspace.many(), stop)) {
  session_->set_input("pooled", conditions.pooled);
  session_->set_input("time_ids", conditions.time_ids);
  session_->set_input("text", conditions.text);
  session_->set_input("face", conditions.face);
  if (with_identity) session_->set_input("keypoints", conditions.keypoints);
}

std::uint64_t Denoiser::least_bytes(const OpenedModels& models, const Workspace& workspace,
                                    const Request& request, const Conditions& conditions,
                                    bool with_identity, DType dtype) {
  const SessionOptions options = workspace.many();
  KernelNeeds kernels(workspace.backend(), models.denoiser_weights, options.seconds);
  return least_memory(
      step_graph(models, request, conditions, with_identity, dtype),
      [&](const Graph& graph, const Node& node) { return kernels.of(graph, node); }, options.fit);
}

void Denoiser::run(std::span<const float> latent, float timestep, std::vector<float>& noise,
                   std::stop_token stop) {
  const std::span<float> input{reinterpret_cast<float*>(session_->input("latent").data()),
                               n_ * latent.size()};
  for (std::size_t i = 0; i < n_; ++i)
    channels_last(latent, channels_, input.subspan(i * latent.size(), latent.size()));
  const std::array<float, 2> timesteps{timestep, timestep};
  session_->set_input("timestep", std::span(timesteps).first(n_));
  session_->run(stop);
  const std::span<const std::byte> bytes = session_->output("noise");
  const std::span<const float> output{reinterpret_cast<const float*>(bytes.data()),
                                      n_ * latent.size()};
  noise.resize(output.size());
  for (std::size_t i = 0; i < n_; ++i) {
    channels_first(output.subspan(i * latent.size(), latent.size()), channels_,
                   std::span(noise).subspan(i * latent.size(), latent.size()));
  }
}

}  // namespace semblance
