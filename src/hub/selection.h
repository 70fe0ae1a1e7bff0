// Selects the files of a repository that are used, by name: for an SDXL model in diffusers format
// those that pipeline/ opens (docs/models.md), with fp16 weights where published; for InstantID,
// IdentityNet and adapter.
#pragma once

#include <string>
#include <vector>

namespace semblance {

enum class ModelLayout { kNone, kSdxl, kInstantId };

struct Selection {
  ModelLayout layout = ModelLayout::kNone;
  std::vector<std::string> files = {};    // those of `paths` that are used
  std::vector<std::string> lacking = {};  // needed but not in `paths`
};

Selection select_files(const std::vector<std::string>& paths);

}  // namespace semblance
