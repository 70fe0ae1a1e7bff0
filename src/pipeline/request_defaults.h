// What a request leaves open: steps, guidance and sampler. A LoRA or base model for few steps says
// how it is sampled; otherwise the base model's files and InstantID's demo do.
#pragma once

#include <filesystem>
#include <vector>

#include "pipeline/few_steps.h"
#include "pipeline/request.h"

namespace semblance {

struct OpenedModels;

class RequestDefaults {
 public:
  explicit RequestDefaults(double guidance = Request::kGuidance) : guidance_(guidance) {}
  RequestDefaults(const OpenedModels& models, const ModelPaths& paths,
                  std::vector<std::filesystem::path> lora_folders);

  /// The request with steps and guidance, and with `fast` and `quality` replaced by what they mean.
  /// Throws Error(kMissing) for `fast` without the LCM-LoRA, and what find_lora() throws.
  Request complete(Request request) const;
  /// How the request's LoRA or the base model for few steps is sampled, if there is one.
  std::optional<FewSteps> few_steps(const Request& request) const;
  bool has_lcm() const { return !lcm_.empty(); }

 private:
  void choose_quality(Request& request) const;
  void choose_fast(Request& request) const;

  std::optional<FewSteps> base_ = {};
  double guidance_;
  std::vector<std::filesystem::path> lora_folders_ = {};
  std::filesystem::path lcm_ = {};
};

}  // namespace semblance
