// Selects the files of a repository that are used, by name: for an SDXL model in diffusers format
// those that pipeline/ opens (docs/models.md), with fp16 weights where published; for InstantID,
// IdentityNet and adapter; for a part in diffusers format (a VAE), config and weights; else the
// only weight file.
#pragma once

#include <string>
#include <vector>

namespace semblance {

enum class ModelLayout { kNone, kSdxl, kInstantId, kPart, kFile };

struct Selection {
  ModelLayout layout = ModelLayout::kNone;
  std::vector<std::string> files = {};    // those of `paths` that are used
  std::vector<std::string> lacking = {};  // needed but not in `paths`
};

/// Whether a weight file is one that people name, not a part of a folder such as model.safetensors.
bool has_own_name(const std::string& path);

/// `file`: the file that is wanted, if it is only one.
Selection select_files(const std::vector<std::string>& paths, const std::string& file = {});

}  // namespace semblance
