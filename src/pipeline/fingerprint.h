// What tells one model from another without reading all of it: a saved run may only go on with the
// models that it was begun with, wherever they lie now.
#pragma once

#include <map>
#include <string>

#include "pipeline/opened_models.h"

namespace semblance {

/// A part of the model ("the UNet", "the face adapter") to 16 hexadecimal digits.
using Fingerprints = std::map<std::string, std::string>;

/// Of each part: the sizes of its weight files and 4 KiB at each of nine places in them, its
/// configs and its tokenizer whole. Names of files and folders do not count. Fine-tuned weights,
/// which change nearly every number, give another fingerprint; it is no proof against forgery.
/// Throws what File::read throws.
Fingerprints fingerprints_of(const ModelSource& source, const OpenedModels& models);

}  // namespace semblance
