// Finds the files with a component's weights in a folder, and the reader for their format.
#pragma once

#include <filesystem>

#include "weights/weight_map.h"

namespace semblance {

/// The weights of one component's folder of a diffusers checkpoint (unet/, vae/, text_encoder/,
/// ...). Uses the first that exists of
///   {diffusion_pytorch_model,model}.fp16.safetensors, or in shards with
///       ....safetensors.index.fp16.json or ....fp16.safetensors.index.json,
///   {diffusion_pytorch_model,model}.safetensors, or in shards with ....safetensors.index.json,
///   {diffusion_pytorch_model,pytorch_model}.fp16.bin, .bin, or in shards with ....bin.index.json.
/// So fp16 comes first (half the bytes to read), then safetensors. Throws Error(kMissing), which
/// names the files that it looked for or the missing shard; Error(kCorrupt) if an index is broken,
/// points outside the folder, or names a tensor that its shard lacks; and what the readers throw.
WeightMap open_component(const std::filesystem::path& folder);

/// Whether a file's name ends like those of weight files: .safetensors, .ckpt, .pt, .pth, .bin or
/// .gguf.
bool has_weight_extension(const std::filesystem::path& path);

/// The content of one file, detected from its bytes: safetensors, GGUF, or what torch.save wrote
/// (the zip archive, or the format before torch 1.6). 8-bit floats have their scales
/// (weights/fp8_scales.h). Throws Error(kCorrupt), which names what the file is instead: another
/// pickle, a tar, XML or JSON text, or what other_content() recognises; and what the readers throw.
WeightFile open_weight_file(const std::filesystem::path& file);
WeightFile read_weight_file(std::shared_ptr<const File> file);
/// Only its tensors.
WeightMap open_weights(const std::filesystem::path& file);

}  // namespace semblance
