// What tests of prompts share: small models, requests, and what the text encoders make of them.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "backend/backends.h"
#include "pipeline/conditions.h"
#include "pipeline/models_test.h"
#include "pipeline/prompts.h"
#include "pipeline/stages.h"
#include "tests/support/golden.h"

namespace semblance {

inline std::filesystem::path folder_of(const std::string& checkpoint) {
  return testing::golden_path("pipeline") / checkpoint;
}

inline OpenedModels models_of(const std::string& checkpoint) {
  return open_models(testing::models_in(folder_of(checkpoint) / "checkpoint"));
}

inline Request request_for(const std::string& prompt, std::optional<std::string> negative,
                           const std::string& encoding = "auto") {
  Request request{.prompt = prompt, .negative = std::move(negative), .width = 64, .height = 64};
  request.encoding = encoding;
  return request;
}

/// The values that the text encoders' stages make.
inline Values encoded(const OpenedModels& models, const Request& request,
                      const Workspace::Options& options = {}) {
  Values values;
  const std::vector<float> embedding(static_cast<std::size_t>(models.resampler.embedding));
  make_inputs(values, models, request, {embedding, {Keypoints()}}, {});
  const std::vector<Stage> stages = stages_of(models, request, DType::kF32, {});
  for (const StageId id : {StageId::kTextEncoder1, StageId::kTextEncoder2})
    run_stage(*find_stage(stages, id), Workspace(cpu_backend(), options), values, {});
  return values;
}

/// A tensor of f32.
inline std::vector<float> golden(const WeightMap& goldens, const std::string& name) {
  const StoredTensor& tensor = *goldens.find(name);
  std::vector<float> values(static_cast<std::size_t>(tensor.shape.elements()));
  read_rows(tensor, 0, tensor.rows(), {}, values);
  return values;
}

}  // namespace semblance
