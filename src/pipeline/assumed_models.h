// Models for a plan, which needs none of their files: what is not there is taken to be as published
// (SDXL 1.0 and InstantID), with weights as fp16.
#pragma once

#include <string>
#include <vector>

#include "pipeline/opened_models.h"

namespace semblance {

struct AssumedModels {
  OpenedModels models;
  std::vector<std::string> assumed;  // files and folders that are not there
};

/// As open_models(), where every file is there. Else each config and each file of weights that is
/// there is read, and the rest is assumed: then names and shapes are not audited, and there are no
/// tokenizers. Paths may be empty. Throws what open_models() throws for files that are no models.
AssumedModels assume_models(const ModelPaths& paths);

}  // namespace semblance
