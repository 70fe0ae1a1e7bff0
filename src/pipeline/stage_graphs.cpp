#include "pipeline/stage_graphs.h"

#include "core/error.h"
#include "models/unet.h"
#include "pipeline/decoder.h"

namespace semblance {

namespace {

/// Whether a step lies in a window, given as fractions of the steps.
bool is_within(int step, int steps, double begin, double end) {
  const double count = steps;
  return !(step / count < begin || (step + 1) / count > end);
}

}  // namespace

int guidance_halves(const OpenedModels& models, const Request& request) {
  return models.unet.guidance_channels == 0 && request.guidance_scale() > 1 ? 2 : 1;
}

StepKind kind_of_step(const OpenedModels& models, const Request& request, int step, int steps) {
  return {.with_identity = request.identity_strength > 0 &&
                           is_within(step, steps, request.identity_start, request.identity_end),
          .is_guided = guidance_halves(models, request) == 2 &&
                       is_within(step, steps, 0, request.last_guided()),
          .from_deep = step % request.reuse != 0,
          .with_adapter = is_within(step, steps, request.adapter_start, request.adapter_end)};
}

int pictures_of(const Request& request, const StepKind& kind) {
  return (kind.is_guided ? 2 : 1) + (request.perturbed_guidance > 0 ? 1 : 0);
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

Graph resampler_graph(const OpenedModels& models, std::int64_t length) {
  Graph graph;
  const Scope root(&graph, "");
  const Value embeddings =
      root.input("embeddings", DType::kF32, {length, models.resampler.embedding});
  graph.add_output("tokens", resampler(root, models.resampler, embeddings).id);
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
                 const StepKind& kind, DType dtype) {
  Graph graph;
  const Scope root(&graph, "");
  const std::int64_t n = kind.is_guided ? 2 : 1;
  const std::int64_t h = request.height / models.vae.fold();
  const std::int64_t w = request.width / models.vae.fold();
  const std::int64_t cross = models.resampler.output;
  const StepInputs inputs{root.input("latent", DType::kF32, {n, h, w, models.unet.in_channels}),
                          root.input("timestep", DType::kF32, {n}),
                          root.input("pooled", DType::kF32, {n, models.unet.pooled_channels()}),
                          root.input("time_ids", DType::kF32, {n * 6}),
                          guidance_input(root, models.unet, n)};
  const Value text = root.input("text", DType::kF32, {n, text_tokens, cross});
  const std::int64_t tokens = models.resampler.tokens;
  const Value face =
      root.input("face", DType::kF32, {n, face_layout(request).runs * tokens, cross});
  std::optional<IdentityInputs> identity;
  if (kind.with_identity) {
    const Value features =
        root.input("keypoints", dtype, {1, h, w, models.identitynet.channels[0]});
    identity = IdentityInputs{Scope(&graph, "identitynet."), &models.identitynet, features,
                              request.identity_strength};
    if (face.shape()[1] != tokens) identity->tokens = slice(face, 1, 0, tokens);
  }
  std::optional<AdapterInputs> adapter;
  if (kind.with_adapter && request.adapter_strength > 0)
    adapter = AdapterInputs{Scope(&graph, "ip_adapter."), request.adapter_strength};
  const UNetOptions options{.freeu = request.freeu, .perturbed = request.perturbed_guidance > 0};
  const Scope names(&graph, "unet.");
  if (kind.from_deep) {
    const Value deep =
        root.input("deep", dtype, {pictures_of(request, kind), h, w, models.unet.channels[0]});
    graph.add_output("noise", unet_from_deep(names, models.unet, inputs, text, face, identity,
                                             adapter, deep, dtype, options)
                                  .id);
    return graph;
  }
  const UNetOutputs made =
      unet(names, models.unet, inputs, text, face, identity, adapter, dtype, options);
  graph.add_output("noise", made.noise.id);
  if (request.reuse > 1) graph.add_output("deep", made.deep.id);
  return graph;
}

Graph encoder_graph(const OpenedModels& models, Size size, DType dtype) {
  Graph graph;
  const Scope root(&graph, "");
  const Value picture = root.input("picture", DType::kF32, {1, size.h, size.w, 3});
  graph.add_output("moments", vae_encoder(root, models.vae, picture, dtype).id);
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
