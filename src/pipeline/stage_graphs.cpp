#include "pipeline/stage_graphs.h"

#include <vector>

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

std::uint32_t controls_of_step(const Request& request, int step, int steps) {
  std::uint32_t controls = 0;
  for (std::size_t i = 0; i < request.controls.size(); ++i) {
    const ControlChoice choice = parse_control(request.controls[i]);
    if (choice.strength > 0 && is_within(step, steps, choice.start, choice.end))
      controls |= 1U << i;
  }
  return controls;
}

/// Features of a picture, "picture" -> "features".
Graph feature_graph(const std::string& prefix, const UNetConfig& config, Size size, DType dtype,
                    int type) {
  Graph graph;
  const Value picture = Scope(&graph, "").input("picture", DType::kF32, {1, size.h, size.w, 3});
  const Value features =
      conditioning_embedding(Scope(&graph, prefix), config, picture, dtype, type);
  graph.add_output("features", convert(features, DType::kF32).id);
  return graph;
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
          .with_adapter = is_within(step, steps, request.adapter_start, request.adapter_end),
          .controls = controls_of_step(request, step, steps)};
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
  return feature_graph("identitynet.", models.identitynet, size, dtype, 0);
}

Graph control_graph(const Control& control, Size size, DType dtype) {
  return feature_graph(control.prefix, control.config, size, dtype, control.type());
}

Graph step_graph(const OpenedModels& models, const Request& request, std::int64_t text_tokens,
                 const StepKind& kind, DType dtype, const AppliedControls* controls) {
  Graph graph;
  const Scope root(&graph, "");
  const std::int64_t n = kind.is_guided ? 2 : 1;
  const std::int64_t h = request.height / models.vae.fold();
  const std::int64_t w = request.width / models.vae.fold();
  const std::int64_t cross = models.resampler.output;
  const StepInputs inputs{root.input("latent", DType::kF32, {n, h, w, models.vae.latent_channels}),
                          root.input("timestep", DType::kF32, {n}),
                          root.input("pooled", DType::kF32, {n, models.unet.pooled_channels()}),
                          root.input("time_ids", DType::kF32, {n * 6}),
                          guidance_input(root, models.unet, n),
                          masked_input(root, models.unet, h, w)};
  const Value text = root.input("text", DType::kF32, {n, text_tokens, cross});
  const std::int64_t tokens = models.resampler.tokens;
  const Value face =
      root.input("face", DType::kF32, {n, face_layout(request).runs * tokens, cross});
  std::vector<ControlInputs> nets;
  if (kind.with_identity) {
    const Value features =
        root.input("keypoints", dtype, {1, h, w, models.identitynet.channels[0]});
    nets.push_back({Scope(&graph, "identitynet."), &models.identitynet, features,
                    face.shape()[1] == tokens ? face : slice(face, 1, 0, tokens),
                    request.identity_strength});
  }
  for (std::size_t i = 0; controls != nullptr && i < controls->controls.size(); ++i) {
    if (!kind.has_control(i)) continue;
    const Control& control = controls->controls[i];
    const Value features = root.input(control.value, dtype, {1, h, w, control.config.channels[0]});
    nets.push_back({Scope(&graph, control.prefix), &control.config, features, text,
                    control.choice.strength, control.type()});
  }
  std::optional<AdapterInputs> adapter;
  if (kind.with_adapter && request.adapter_strength > 0)
    adapter = AdapterInputs{Scope(&graph, "ip_adapter."), request.adapter_strength};
  const UNetOptions options{.freeu = request.freeu, .perturbed = request.perturbed_guidance > 0};
  const Scope names(&graph, "unet.");
  if (kind.from_deep) {
    const Value deep =
        root.input("deep", dtype, {pictures_of(request, kind), h, w, models.unet.channels[0]});
    graph.add_output("noise", unet_from_deep(names, models.unet, inputs, text, face, nets, adapter,
                                             deep, dtype, options)
                                  .id);
    return graph;
  }
  const UNetOutputs made =
      unet(names, models.unet, inputs, text, face, nets, adapter, dtype, options);
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
