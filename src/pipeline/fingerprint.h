// Identifies a model without reading all of it: a saved run may only be resumed with the models it
// was started with, wherever they are now.
#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "pipeline/opened_models.h"

namespace semblance {

/// Maps each part of the model ("the UNet", "the face adapter") to 16 hexadecimal digits.
using Fingerprints = std::map<std::string, std::string>;
/// The part of all textual inversions together; absent without any.
inline constexpr std::string_view kEmbeddingsPart = "the embeddings";

/// Hashes, for each part, the sizes of its weight files, 4 KiB at nine places in each, and its
/// configs and tokenizer in full, but not the names of files and folders. Fine-tuning changes
/// nearly every number and so the fingerprint; it does not protect against forgery. Throws what
/// File::read throws.
Fingerprints fingerprints_of(const ModelSource& source, const OpenedModels& models);
/// The same of one file, and of a model's tensors and small files.
std::string fingerprint_of(const File& file);
std::string fingerprint_of(const WeightMap& weights,
                           std::span<const std::filesystem::path> settings);

}  // namespace semblance
