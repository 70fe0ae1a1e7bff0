// Which files of a repository are used, told from their names alone: of an SDXL in diffusers'
// layout those that pipeline/ opens (docs/models.md), with fp16 weights where they are published;
// of InstantID its IdentityNet and adapter.
#pragma once

#include <string>
#include <vector>

namespace semblance {

enum class ModelLayout { kNone, kSdxl, kInstantId };

struct Selection {
  ModelLayout layout = ModelLayout::kNone;
  std::vector<std::string> files = {};    // those of `paths` that are used
  std::vector<std::string> lacking = {};  // that are needed and not among them
};

Selection select_files(const std::vector<std::string>& paths);

}  // namespace semblance
