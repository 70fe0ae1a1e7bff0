// The opened models of a pipeline: configs, tokenizers and the location of every tensor. No weights
// are read.
#pragma once

#include <array>
#include <stop_token>

#include "models/clip.h"
#include "models/resampler.h"
#include "models/unet_config.h"
#include "models/vae.h"
#include "pipeline/model_source.h"
#include "pipeline/textual_inversion.h"
#include "sampling/scheduler_config.h"
#include "weights/audit.h"

namespace semblance {

struct OpenedModels {
  std::vector<Tokenizer> tokenizers;  // two
  std::array<ClipConfig, 2> clip;
  std::array<WeightMap, 2> clip_weights;
  UNetConfig unet;
  UNetConfig identitynet;
  ResamplerConfig resampler;
  VaeConfig vae;
  WeightMap denoiser_weights;  // "unet.", "identitynet.", "ip_adapter."
  WeightMap resampler_weights;
  WeightMap vae_weights;
  std::vector<TextualInversion> embeddings;
  SchedulerConfig scheduler;  // its class is the one that selects the sampler, made printable
  bool zero_absent_negative = true;  // model_index.json: force_zeros_for_empty_prompt
  double guidance = 5;               // for requests without guidance

  /// The number of tokens that prompts are padded or cut to.
  int prompt_length(int encoder) const;
};

/// Opens and audits everything. Throws an Error for the first component with problems, listing all
/// of them, and Error(kCancelled) between two files after `stop`.
OpenedModels open_models(const ModelSource& source, const std::stop_token& stop = {});
/// Opens open_source() of these paths (assembled_model.h).
OpenedModels open_models(const ModelPaths& paths, const std::stop_token& stop = {});

/// The weights that a graph declares under `prefix`, with the prefix removed.
std::vector<Expected> declared_weights(const Graph& graph, std::string_view prefix);

struct AssumedModels {
  OpenedModels models;
  std::vector<std::string> assumed;  // missing files and folders
};

/// For plans, which need no files: like open_models() if every file exists, otherwise with a
/// PublishedModel for what is missing, without an audit of names and shapes and without tokenizers.
/// Throws what open_models() throws for invalid files.
AssumedModels assume_models(const ModelPaths& paths);

}  // namespace semblance
