#include "pipeline/stage_graphs.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "core/error.h"
#include "models/unet.h"
#include "pipeline/decoder.h"
#include "pipeline/people.h"
#include "pipeline/person_choice.h"

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

/// What IdentityNet reads in each picture: the tokens of its person's first photo.
Value identity_tokens(Value face, const FaceLayout& layout, std::int64_t tokens) {
  const std::int64_t n = face.shape()[0];
  const auto people = static_cast<std::int64_t>(layout.runs.size());
  if (face.shape()[1] == tokens) return face;
  if (people == 1) return slice(face, 1, 0, tokens);
  std::vector<Value> pictures;
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t first =
        tokens * std::accumulate(layout.runs.begin(), layout.runs.begin() + i % people, 0L);
    pictures.push_back(slice(slice(face, 0, i, i + 1), 1, first, first + tokens));
  }
  return concat(std::move(pictures), 0);
}

/// People's masks, [p,h,w,1], for the pictures of both halves of the guidance.
Value for_halves(Value masks, std::int64_t n) {
  const std::int64_t people = masks.shape()[0];
  return people == 1 || people == n ? masks : concat({masks, masks}, 0);
}

/// Sets the strength of the residuals, and the factors of each picture where people differ.
void limit_identity(ControlInputs& net, const std::vector<PersonDials>& people,
                    const StepKind& kind, Value time_ids, DType dtype) {
  std::vector<float> strengths;
  for (std::size_t p = 0; p < people.size(); ++p)
    strengths.push_back(kind.has_identity(p) ? people[p].identity_strength : 0);
  net.strength = strengths.front();
  if (std::ranges::count(strengths, strengths.front()) == std::ssize(strengths)) return;
  net.strength = 1;
  // Constants, made from an input since no op has no source.
  const Value one = reshape(slice(time_ids, 0, 0, 1), {1, 1, 1, 1});
  std::vector<Value> factors;
  for (std::int64_t i = 0; i < net.tokens.shape()[0]; ++i)
    factors.push_back(affine(one, 0, strengths[static_cast<std::size_t>(i) % people.size()]));
  net.weights = convert(concat(std::move(factors), 0), dtype);
}

}  // namespace

int guidance_halves(const OpenedModels& models, const Request& request) {
  return models.unet.guidance_channels == 0 && request.guidance_scale() > 1 ? 2 : 1;
}

StepKind kind_of_step(const OpenedModels& models, const Request& request, int step, int steps) {
  StepKind kind{.is_guided = guidance_halves(models, request) == 2 &&
                             is_within(step, steps, 0, request.last_guided()),
                .from_deep = step % request.reuse != 0,
                .controls = controls_of_step(request, step, steps)};
  const std::vector<PersonDials> people = dials_of(request);
  for (std::size_t p = 0; p < people.size(); ++p) {
    const PersonDials& dials = people[p];
    if (dials.identity_strength > 0 &&
        is_within(step, steps, dials.identity_start, dials.identity_end))
      kind.identity |= 1U << p;
    if (dials.adapter_strength > 0 &&
        is_within(step, steps, dials.adapter_start, dials.adapter_end))
      kind.adapter |= 1U << p;
  }
  return kind;
}

int pictures_of(const Request& request, const StepKind& kind) {
  return static_cast<int>(people_in(request)) *
         ((kind.is_guided ? 2 : 1) + (request.perturbed_guidance > 0 ? 1 : 0));
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
  const std::vector<PersonDials> people = dials_of(request);
  const auto count = static_cast<std::int64_t>(people.size());
  const std::int64_t n = (kind.is_guided ? 2 : 1) * count;
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
  const FaceLayout layout = face_layout(request);
  const Value face = root.input("face", DType::kF32, {n, layout.all_runs() * tokens, cross});
  const MaskTypes mask_values = mask_types(models, request);
  const auto mask_input = [&](const NamedType& value) {
    return convert(root.input(value.name, DType::kF32, value.type.shape), dtype);
  };
  std::vector<ControlInputs> nets;
  if (kind.with_identity()) {
    const Value features =
        root.input("keypoints", dtype, {count == 1 ? 1 : n, h, w, models.identitynet.channels[0]});
    ControlInputs net{Scope(&graph, "identitynet."), &models.identitynet, features,
                      identity_tokens(face, layout, tokens), people.front().identity_strength};
    limit_identity(net, people, kind, inputs.time_ids, dtype);
    for (const NamedType& value : mask_values.residuals)
      net.masks.push_back(for_halves(mask_input(value), n));
    nets.push_back(std::move(net));
  }
  for (std::size_t i = 0; controls != nullptr && i < controls->controls.size(); ++i) {
    if (!kind.has_control(i)) continue;
    const Control& control = controls->controls[i];
    const Value features = root.input(control.value, dtype, {1, h, w, control.config.channels[0]});
    nets.push_back({Scope(&graph, control.prefix), &control.config, features, text,
                    control.choice.strength, control.type()});
  }
  std::optional<AdapterInputs> adapter;
  if (kind.adapter != 0) adapter = AdapterInputs{Scope(&graph, "ip_adapter."), {}};
  std::int64_t first = 0;
  for (std::size_t p = 0; p < people.size(); ++p) {
    const std::int64_t end = first + layout.runs[p] * tokens;
    if (kind.has_adapter(p)) {
      AdapterPerson person{first, end, people[p].adapter_strength};
      if (!mask_values.people.empty()) {
        for (const NamedType& value : mask_values.people[p].attention)
          person.masks.push_back(mask_input(value));
      }
      adapter->people.push_back(std::move(person));
    }
    first = end;
  }
  const UNetOptions options{.freeu = request.freeu,
                            .perturbed = request.perturbed_guidance > 0 ? count : 0};
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
