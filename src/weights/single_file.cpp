#include "weights/single_file.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "weights/audit.h"
#include "weights/checkpoint.h"
#include "weights/infer_config.h"
#include "weights/name_table.h"
#include "weights/original_names.h"

namespace semblance {
namespace {

/// The tensors under the prefix, without it and without tensors that are not weights.
WeightMap tensors_under(const WeightMap& weights, std::string_view prefix) {
  WeightMap result;
  for (const auto& [name, tensor] : weights.under(prefix)) {
    const auto is_like = [&name = name](std::string_view pattern) {
      return matches_pattern(name, pattern);
    };
    if (std::none_of(std::begin(kNoWeights), std::end(kNoWeights), is_like))
      result.add(name, tensor);
  }
  return result;
}

/// A downsampler is the last block of its level; without any there is one level.
BlockNumbers numbers_of_unet(const WeightMap& weights) {
  constexpr std::int64_t kMostBlocks = 1000;
  BlockNumbers numbers{.step = 1};
  for (std::int64_t i = 1; i < kMostBlocks; ++i) {
    const std::string block = fmt::format("input_blocks.{}.", i);
    if (!weights.has_under(block)) break;
    numbers.step = i + 1;
    if (!weights.has_under(block + "0.op.")) continue;
    numbers.step = i;
    break;
  }
  return numbers;
}

BlockNumbers numbers_of_vae(const WeightMap& weights) {
  BlockNumbers numbers{.levels = 0};
  while (weights.has_under(fmt::format("decoder.up.{}.", numbers.levels))) ++numbers.levels;
  return numbers;
}

}  // namespace

SingleFile SingleFile::open(const std::filesystem::path& path) {
  return {path.string(), open_weight_file(path)};
}

SingleFile::SingleFile(std::string name, WeightFile file)
    : name_(std::move(name)), file_(std::move(file)), identity_(identify(file_)) {}

WeightMap SingleFile::weights(std::string_view component) const {
  const auto part =
      std::find_if(identity_.parts.begin(), identity_.parts.end(),
                   [component](const FilePart& found) { return found.component == component; });
  if (part == identity_.parts.end()) {
    fail(ErrorKind::kMissing, "cannot read {}: it is {} and has no {}", name_, identity_.name,
         component);
  }
  const WeightMap weights = tensors_under(file_.weights, part->prefix);
  if (component == "unet") return renamed(weights, kOriginalUNetNames, numbers_of_unet(weights));
  if (component == "controlnet") {
    return renamed(renamed(renamed(weights, kOriginalControlNetNames), kOriginalUNetNames,
                           numbers_of_unet(weights)),
                   kControlNetNames);
  }
  if (component == "vae")
    return renamed(renamed(weights, kOriginalVaeNames, numbers_of_vae(weights)), kVaeNames);
  return renamed(renamed(weights, kOriginalClipNames), kTextEncoderNames);
}

Json SingleFile::config(std::string_view component, std::optional<std::int64_t> pooled) const {
  if (component == "scheduler") return infer_scheduler(name_, identity_);
  if (component == "unet" && !pooled && has("text_encoder_2")) {
    const Json encoder = config("text_encoder_2");
    pooled = encoder.get_int("projection_dim");
  }
  return infer_config(name_, component, weights(component), pooled);
}

}  // namespace semblance
