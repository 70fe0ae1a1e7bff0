// The models of a pipeline, opened: configs, tokenizers and where every tensor lies. No weight is
// read.
#pragma once

#include <array>
#include <stop_token>

#include "models/clip.h"
#include "models/resampler.h"
#include "models/unet_config.h"
#include "models/vae.h"
#include "pipeline/model_source.h"
#include "sampling/sampler.h"

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
  SchedulerConfig scheduler;
  std::string sampler{
      default_sampler().diffusers_class};  // the class that the model names, printable
  bool zero_absent_negative = true;        // model_index.json: force_zeros_for_empty_prompt
  double guidance = 5;                     // of pictures that name none

  /// Tokens a prompt is padded or cut to.
  int prompt_length(int encoder) const;
};

/// Opens and audits everything; throws the first Error, which names all that is wrong in that
/// component. Throws Error(kCancelled) between two files after `stop`.
OpenedModels open_models(const ModelSource& source, const std::stop_token& stop = {});
/// Of a DiffusersFolder, after its check().
OpenedModels open_models(const ModelPaths& paths, const std::stop_token& stop = {});

struct AssumedModels {
  OpenedModels models;
  std::vector<std::string> assumed;  // files and folders that are not there
};

/// For a plan, which needs no files: as open_models(), where every file is there; else of a
/// PublishedModel: names and shapes are not audited, and there are no tokenizers. Throws what
/// open_models() throws for files that are no models.
AssumedModels assume_models(const ModelPaths& paths);

}  // namespace semblance
