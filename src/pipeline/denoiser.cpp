#include "pipeline/denoiser.h"

#include <array>

#include "core/stop.h"
#include "pipeline/layout.h"
#include "pipeline/request_plan.h"
#include "pipeline/stage_graphs.h"

namespace semblance {
Denoiser::Denoiser(const OpenedModels& models, const Workspace& workspace, const Request& request,
                   const Conditions& conditions, bool with_identity, DType dtype,
                   std::stop_token stop)
    : with_identity_(with_identity),
      n_(static_cast<std::size_t>(conditions.n)),
      channels_(static_cast<std::size_t>(models.unet.in_channels)) {
  const SessionOptions options = workspace.many(denoiser_beside(models, request, with_identity));
  session_ = std::make_unique<Session>(step_graph(models, request, with_identity, dtype),
                                       workspace.backend(), models.denoiser_weights, options, stop);
  spare_bytes_ = options.fit.memory_bytes - session_->plan().memory_bytes();
  session_->set_input("pooled", conditions.pooled);
  session_->set_input("time_ids", conditions.time_ids);
  session_->set_input("text", conditions.text);
  session_->set_input("face", conditions.face);
  if (with_identity) session_->set_input("keypoints", conditions.keypoints);
}

std::uint64_t Denoiser::least_budget(const OpenedModels& models, const Workspace& workspace,
                                     const Request& request, bool with_identity, DType dtype,
                                     std::stop_token stop) {
  constexpr std::uint64_t kAll = std::uint64_t{1} << 62;
  const SessionOptions options =
      workspace.with_budget(kAll).many(denoiser_beside(models, request, with_identity));
  KernelNeeds kernels(workspace.backend(), models.denoiser_weights, options.seconds,
                      stop_check(std::move(stop)));
  const std::uint64_t places = least_memory(
      step_graph(models, request, with_identity, dtype),
      [&](const Graph& graph, const Node& node) { return kernels.of(graph, node); }, options.fit);
  return kAll - options.fit.memory_bytes + places;
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
