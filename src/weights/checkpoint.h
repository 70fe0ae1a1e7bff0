// Which files of a folder hold a component's weights, and which reader reads them.
#pragma once

#include <filesystem>

#include "weights/weight_map.h"

namespace semblance {

/// The weights of one component's folder of a diffusers checkpoint (unet/, vae/, text_encoder/,
/// ...). Takes the first that is there of
///   {diffusion_pytorch_model,model}.fp16.safetensors, or in shards with
///       ....safetensors.index.fp16.json or ....fp16.safetensors.index.json,
///   {diffusion_pytorch_model,model}.safetensors, or in shards with ....safetensors.index.json,
///   {diffusion_pytorch_model,pytorch_model}.fp16.bin, .bin, or in shards with ....bin.index.json.
/// So fp16 goes first (half the bytes to read), then safetensors. Throws Error(kMissing) that names
/// what was looked for or the shard that is not there; Error(kCorrupt) when an index is broken,
/// points outside of the folder, or names a tensor that its shard lacks; and what the readers
/// throw.
WeightMap open_component(const std::filesystem::path& folder);

/// What is in one file: safetensors, GGUF, or what torch.save wrote (the zip archive, or the format
/// before torch 1.6); its bytes say which. 8-bit floats have their factors (weights/fp8_scales.h).
/// Throws Error(kCorrupt) that names what the file is instead: another pickle, a tar, XML or JSON
/// text, and what other_content() knows; and what the readers throw.
WeightFile open_weight_file(const std::filesystem::path& file);
WeightFile read_weight_file(std::shared_ptr<const File> file);
/// Its tensors alone.
WeightMap open_weights(const std::filesystem::path& file);

}  // namespace semblance
