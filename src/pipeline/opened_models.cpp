#include "pipeline/opened_models.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/json.h"
#include "core/stop.h"
#include "models/unet.h"
#include "pipeline/assembled_model.h"
#include "pipeline/request.h"
#include "pipeline/stage_graphs.h"
#include "sampling/sampler.h"
#include "weights/names.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kAdapter = "ip_adapter.";
constexpr std::string_view kResampler = "image_proj.";

void audit_against(std::string_view what, const ModelSource& source, std::string_view component,
                   const Graph& graph, std::string_view prefix, const WeightMap& weights,
                   const std::vector<std::string>& unread = {}) {
  if (!source.is_whole()) return;
  const fs::path where = source.place(component);
  std::vector<std::string_view> ignorable(std::begin(kComputedBuffers), std::end(kComputedBuffers));
  ignorable.insert(ignorable.end(), unread.begin(), unread.end());
  audit(fmt::format("{} in {}", what, where.string()), declared_weights(graph, prefix), weights,
        ignorable);
}

void open_text_encoder(OpenedModels& models, std::size_t index, const ModelSource& source,
                       const std::stop_token& stop) {
  check_stop(stop);
  const std::string_view component = index == 0 ? "text_encoder" : "text_encoder_2";
  std::optional<Tokenizer> tokenizer = source.tokenizer(static_cast<int>(index));
  check_stop(stop);
  ClipConfig& config = models.clip[index];
  const Json json = source.config(component);
  config = clip_config(json);
  if (tokenizer && tokenizer->size() > config.vocab_size) {
    json.refuse("vocab_size",
                fmt::format("at least {}, the tokenizer's number of tokens", tokenizer->size()));
  }
  if (tokenizer) models.tokenizers.push_back(std::move(*tokenizer));
  models.clip_weights[index] = source.weights(component);
  Graph graph;
  const Scope root(&graph, "");
  const Value ids =
      root.input("ids", DType::kI32, {1, models.prompt_length(static_cast<int>(index))});
  if (index == 0) {
    clip_text(root, config, ids, {});
    audit_against("the first text encoder", source, component, graph, "",
                  models.clip_weights[index], clip_unread(config));
  } else {
    clip_text(root, config, ids, root.input("ends", DType::kI32, {1}));
    audit_against("the second text encoder", source, component, graph, "",
                  models.clip_weights[index]);
  }
}

/// The whole denoiser at a small size; only the names and shapes of its weights matter.
Graph denoiser_for_audit(const OpenedModels& models) {
  Graph graph;
  const Scope root(&graph, "");
  const UNetConfig& config = models.unet;
  const std::int64_t side = std::int64_t{1} << config.channels.size();
  const std::int64_t latent = models.vae.latent_channels;
  const StepInputs inputs{root.input("latent", DType::kF32, {1, side, side, latent}),
                          root.input("timestep", DType::kF32, {1}),
                          root.input("pooled", DType::kF32, {1, config.pooled_channels()}),
                          root.input("time_ids", DType::kF32, {6}),
                          guidance_input(root, config, 1),
                          masked_input(root, config, side, side)};
  const Value text =
      root.input("text", DType::kF32, {1, 2, models.clip[0].width + models.clip[1].width});
  const Value face =
      root.input("face", DType::kF32, {1, models.resampler.tokens, models.resampler.output});
  const Value picture = root.input("picture", DType::kF32, {1, 8 * side, 8 * side, 3});
  const Scope identity(&graph, "identitynet.");
  const Value conditioning =
      conditioning_embedding(identity, models.identitynet, picture, DType::kF32);
  unet(Scope(&graph, "unet."), config, inputs, text, face,
       {ControlInputs{identity, &models.identitynet, conditioning, face, 1.0F}},
       AdapterInputs{Scope(&graph, "ip_adapter."), {{0, models.resampler.tokens, 1.0F}}},
       DType::kF32);
  return graph;
}

/// Checks that the parts fit together, before a mere tensor shape error would be reported.
void check_widths(const OpenedModels& models, const ModelSource& source) {
  const auto differ = [](std::string_view what, std::int64_t gives, std::string_view reader,
                         std::int64_t takes) {
    if (gives != takes) {
      fail(ErrorKind::kShape, "{} has {} channels, {} expects {}: they are not compatible", what,
           gives, reader, takes);
    }
  };
  const std::int64_t text = models.clip[0].width + models.clip[1].width;
  for (std::int64_t cross : models.unet.cross_channels)
    differ("the text of both encoders", text, "the UNet", cross);
  differ("the second encoder's projection", models.clip[1].projection, "the UNet's added embedding",
         models.unet.pooled_channels());
  differ("the second encoder's projection", models.clip[1].projection,
         "IdentityNet's added embedding", models.identitynet.pooled_channels());
  differ(fmt::format("the face adapter {}", source.place("adapter").string()),
         models.resampler.output, "the UNet", models.unet.cross_channels[0]);
  for (std::int64_t cross : models.identitynet.cross_channels)
    differ("the face adapter", models.resampler.output, "IdentityNet", cross);
  const std::int64_t latent = models.vae.latent_channels;
  const std::int64_t added = models.unet.reads_masks() ? latent + 1 : 0;
  differ("the VAE's latent", latent, "the UNet", models.unet.in_channels - added);
  differ("the UNet's result", models.unet.out_channels, "the sampler", latent);
  differ("the UNet's latent", latent, "IdentityNet", models.identitynet.in_channels);
  if (models.identitynet.channels != models.unet.channels ||
      models.identitynet.layers != models.unet.layers) {
    fail(ErrorKind::kShape,
         "IdentityNet in {} has block_out_channels {} x layers_per_block {}, the UNet in {} has {} "
         "x {}: they are not compatible",
         source.place("identitynet").string(), fmt::join(models.identitynet.channels, ","),
         fmt::join(models.identitynet.layers, ","), source.place("unet").string(),
         fmt::join(models.unet.channels, ","), fmt::join(models.unet.layers, ","));
  }
  if (models.prompt_length(0) != models.prompt_length(1)) {
    fail(ErrorKind::kShape,
         "the first tokenizer gives {} tokens, the second {}: both encoders need the same length",
         models.prompt_length(0), models.prompt_length(1));
  }
}

/// The adapter's two parts, each without its prefix.
struct AdapterWeights {
  WeightMap attention;
  WeightMap resampler;
};

AdapterWeights open_adapter(const ModelSource& source) {
  AdapterWeights adapter;
  const std::string place = source.place("adapter").string();
  const WeightMap weights = source.weights("adapter");
  for (const auto& [name, tensor] : weights) {
    if (name.starts_with(kAdapter)) {
      adapter.attention.add(name.substr(kAdapter.size()), tensor);
    } else if (name.starts_with(kResampler)) {
      adapter.resampler.add(name.substr(kResampler.size()), tensor);
    } else {
      fail(ErrorKind::kCorrupt,
           "cannot read the face adapter {}: expected only tensors under image_proj and "
           "ip_adapter, got {}",
           place, name);
    }
  }
  const bool is_assumed = !source.is_whole() && weights.empty();
  if (!is_assumed && (adapter.resampler.empty() || adapter.attention.empty())) {
    fail(ErrorKind::kMissing,
         "cannot use the face adapter {}: it has no tensors under {}\n  is this InstantID's "
         "ip-adapter.bin?",
         place, adapter.resampler.empty() ? "image_proj" : "ip_adapter");
  }
  return adapter;
}

void open_denoiser(OpenedModels& models, const ModelSource& source, const std::stop_token& stop) {
  check_stop(stop);
  WeightMap unet_weights = source.weights("unet");
  check_stop(stop);
  WeightMap identity_weights = source.weights("identitynet");
  check_stop(stop);
  AdapterWeights adapter = open_adapter(source);
  models.resampler_weights = std::move(adapter.resampler);
  if (!models.resampler_weights.empty())
    models.resampler = resampler_config(models.resampler_weights, "");
  if (source.is_whole()) {
    check_widths(models, source);
    check_stop(stop);
    const Graph graph = denoiser_for_audit(models);
    audit_against("the UNet", source, "unet", graph, "unet.", unet_weights);
    audit_against("IdentityNet", source, "identitynet", graph, "identitynet.", identity_weights);
    audit_against("the face adapter's attention", source, "adapter", graph, kAdapter,
                  adapter.attention);
  }
  models.denoiser_weights.merge("unet.", unet_weights);
  models.denoiser_weights.merge("identitynet.", identity_weights);
  models.denoiser_weights.merge(kAdapter, adapter.attention);

  const Graph tokens = resampler_graph(models, 1);
  audit_against("the face adapter's resampler", source, "adapter", tokens, "",
                models.resampler_weights);
}

void open_vae(OpenedModels& models, const ModelSource& source) {
  models.vae = vae_config(source.config("vae"));
  models.vae_weights = source.weights("vae");
  Graph graph;
  const Scope root(&graph, "");
  vae_decoder(root, models.vae,
              root.input("latent", DType::kF32, {1, 1, 1, models.vae.latent_channels}),
              DType::kF32);
  vae_encoder(root, models.vae, root.input("picture", DType::kF32, {1, 8, 8, 3}), DType::kF32);
  audit_against("the VAE", source, "vae", graph, "", models.vae_weights);
}

/// The sampler named in scheduler_config.json, or in model_index.json, which diffusers uses.
std::string sampler_of(const SchedulerConfig& scheduler, const Json& index) {
  if (scheduler.class_name != default_sampler().diffusers_class)
    return printable(scheduler.class_name);
  const nlohmann::json& parts = index.value();
  const auto named = parts.find("scheduler");  // ["diffusers", "EulerDiscreteScheduler"]
  if (named == parts.end() || !named->is_array() || named->size() != 2 ||
      !named->back().is_string())
    return scheduler.class_name;
  return printable(named->back().get<std::string>());
}

}  // namespace

int OpenedModels::prompt_length(int encoder) const {
  const auto index = static_cast<std::size_t>(encoder);
  if (index >= tokenizers.size()) return static_cast<int>(clip[index].length);
  return static_cast<int>(
      std::min<std::int64_t>(tokenizers[index].max_length(), clip[index].length));
}

namespace {

/// guidance_scale of generation_config.json, a file name of transformers (diffusers has none); if
/// missing, 5 as in InstantID's demo.
double guidance_of(const ModelSource& source) {
  constexpr double kPublished = 5;
  const Json config = source.config("generation");
  const double guidance = config.get_float("guidance_scale", kPublished);
  const Parameter& row = parameters::kGuidance;
  if (!(guidance >= row.least && guidance <= row.most)) {
    config.refuse("guidance_scale", fmt::format("a number from {} to {}", row.least, row.most));
  }
  return guidance;
}

}  // namespace

std::vector<Expected> declared_weights(const Graph& graph, std::string_view prefix) {
  std::vector<Expected> expected;
  for (const ValueInfo& value : graph.values()) {
    if (value.kind != ValueKind::kWeight || !value.name.starts_with(prefix)) continue;
    expected.push_back({value.name.substr(prefix.size()), value.type.shape});
  }
  return expected;
}

OpenedModels open_models(const ModelSource& source, const std::stop_token& stop) {
  OpenedModels models;
  models.scheduler = SchedulerConfig::read(source.config("scheduler"));
  const Json index = source.config("model_index");
  models.scheduler.class_name = sampler_of(models.scheduler, index);
  models.zero_absent_negative = index.get_bool("force_zeros_for_empty_prompt", true);
  models.guidance = guidance_of(source);
  for (std::size_t i = 0; i < 2; ++i) open_text_encoder(models, i, source, stop);
  models.unet = unet_config(source.config("unet"));
  models.identitynet = controlnet_config(source.config("identitynet"));
  check_stop(stop);
  open_vae(models, source);
  open_denoiser(models, source, stop);
  return models;
}

OpenedModels open_models(const ModelPaths& paths, const std::stop_token& stop) {
  OpenedModels models = open_models(*open_source(paths), stop);
  models.embeddings = open_textual_inversions(paths.embeddings, models.clip);
  return models;
}

namespace {

/// What is there, over a PublishedModel.
AssumedModels assume_parts(const ModelPaths& paths) {
  std::vector<std::string> missing;
  ModelPaths given = paths;
  std::error_code ignored;
  for (fs::path* path : {&given.unet, &given.vae, &given.text_encoders}) {
    if (path->empty() || fs::exists(*path, ignored)) continue;
    missing.push_back(path->string());
    path->clear();
  }
  const bool is_single = !paths.base.empty() && fs::is_regular_file(paths.base, ignored);
  ModelPaths folders = given;
  if (is_single) folders.base.clear();
  auto owned = std::make_unique<const PublishedModel>(folders);
  const PublishedModel& published = *owned;
  const AssembledModel source(given, std::move(owned));
  AssumedModels result{open_models(source), published.assumed()};
  if (is_single) std::erase(result.assumed, "--base");
  const std::vector<std::string> lacking = source.lacking();
  result.assumed.insert(result.assumed.end(), lacking.begin(), lacking.end());
  result.assumed.insert(result.assumed.end(), missing.begin(), missing.end());
  return result;
}

AssumedModels assume_base_models(const ModelPaths& paths) {
  if (!paths.base.empty() && !paths.identitynet.empty() && !paths.adapter.empty()) {
    try {
      return {open_models(*open_source(paths)), {}};
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kMissing) throw;
    }
  }
  return assume_parts(paths);
}

}  // namespace

AssumedModels assume_models(const ModelPaths& paths) {
  AssumedModels result = assume_base_models(paths);
  std::vector<fs::path> there;
  for (const fs::path& file : paths.embeddings) {
    if (fs::exists(file)) {
      there.push_back(file);
    } else {
      result.assumed.push_back(file.string());
    }
  }
  result.models.embeddings = open_textual_inversions(there, result.models.clip);
  return result;
}

}  // namespace semblance
