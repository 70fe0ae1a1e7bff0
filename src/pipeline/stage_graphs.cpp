#include "pipeline/stage_graphs.h"

#include "core/error.h"
#include "models/unet.h"
#include "pipeline/decoder.h"

namespace semblance {

int guidance_halves(const Request& request) {
  return request.guidance.value_or(Request::kGuidance) > 1 ? 2 : 1;
}

bool identity_on(const Request& request, int step, int steps) {
  const double count = steps;
  return request.identity_strength > 0 &&
         !(step / count < request.identity_start || (step + 1) / count > request.identity_end);
}

bool decodes_in_tiles(const VaeConfig& vae, Size size, bool tiling) {
  if (!tiling) return false;
  check_tiling(vae);
  return size.w > vae.sample_size || size.h > vae.sample_size;
}

Graph text_encoder_graph(const OpenedModels& models, std::size_t encoder, std::int64_t n,
                         int clip_skip, bool with_vectors) {
  if (clip_skip >= models.clip[encoder].layers) {
    fail(ErrorKind::kArgument,
         "cannot take {}: expected at most {}, since the model's {} text encoder has {} layers, "
         "got {}",
         parameters::kClipSkip.name, models.clip[encoder].layers - 1,
         encoder == 0 ? "first" : "second", models.clip[encoder].layers, clip_skip);
  }
  Graph graph;
  const Scope root(&graph, "");
  const bool pooled = encoder == 1;
  const Value ids =
      root.input("ids", DType::kI32, {n, models.prompt_length(static_cast<int>(encoder))});
  const ClipConfig& config = models.clip[encoder];
  std::optional<Value> ends;
  if (pooled) ends = root.input("ends", DType::kI32, {n});
  std::optional<TokenVectors> vectors;
  if (with_vectors) {
    const std::int64_t length = ids.shape()[1];
    vectors = TokenVectors{root.input("vectors", DType::kF32, {n, length, config.width}),
                           root.input("keep", DType::kF32, {n, length, 1})};
  }
  const ClipOutputs out = clip_text(root, config, ids, ends, clip_skip, vectors);
  graph.add_output("hidden", out.hidden.id);
  if (pooled) graph.add_output("pooled", out.pooled->id);
  return graph;
}

Graph resampler_graph(const OpenedModels& models) {
  Graph graph;
  const Scope root(&graph, "");
  const Value embedding = root.input("embedding", DType::kF32, {1, models.resampler.embedding});
  graph.add_output("tokens", resampler(root, models.resampler, embedding).id);
  return graph;
}

Graph keypoint_graph(const OpenedModels& models, Size size, DType dtype) {
  Graph graph;
  const Scope root(&graph, "");
  const Value input = root.input("picture", DType::kF32, {1, size.h, size.w, 3});
  const Value features =
      conditioning_embedding(Scope(&graph, "identitynet."), models.identitynet, input, dtype);
  graph.add_output("features", convert(features, DType::kF32).id);
  return graph;
}

Graph step_graph(const OpenedModels& models, const Request& request, std::int64_t text_tokens,
                 bool with_identity, DType dtype) {
  Graph graph;
  const Scope root(&graph, "");
  const std::int64_t n = guidance_halves(request);
  const std::int64_t h = request.height / models.vae.fold();
  const std::int64_t w = request.width / models.vae.fold();
  const std::int64_t cross = models.resampler.output;
  const StepInputs inputs{root.input("latent", DType::kF32, {n, h, w, models.unet.in_channels}),
                          root.input("timestep", DType::kF32, {n}),
                          root.input("pooled", DType::kF32, {n, models.unet.pooled_channels()}),
                          root.input("time_ids", DType::kF32, {n * 6})};
  const Value text = root.input("text", DType::kF32, {n, text_tokens, cross});
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

Graph decoder_graph(const OpenedModels& models, Size size, DType dtype) {
  const VaeConfig& vae = models.vae;
  Graph graph;
  const Scope root(&graph, "");
  const Value latent = root.input(
      "latent", DType::kF32, {1, size.h / vae.fold(), size.w / vae.fold(), vae.latent_channels});
  graph.add_output("picture", vae_decoder(root, vae, latent, dtype).id);
  return graph;
}

}  // namespace semblance
