// The LoRAs of a request: opened, matched with the model, and ready as patches of its tensors.
#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "pipeline/fingerprint.h"
#include "pipeline/lora_choice.h"
#include "pipeline/opened_models.h"
#include "weights/lora.h"

namespace semblance {

/// What is added to a model's tensors for a request. Immutable once it is prepared; const use is
/// thread-safe.
struct AppliedLoras {
  struct Unmatched {
    std::string name;                 // of the LoRA
    std::vector<std::string> layers;  // which the model does not have
  };

  LoraPatches patches;
  std::vector<Unmatched> unmatched;
  Fingerprints fingerprints;  // "the LoRA film"
  /// Absolute, with weights: what a saved run has.
  std::vector<std::string> paths;
  std::uint64_t held_bytes = 0;  // of all this, roughly

  std::vector<LoraFile> files;
  bool is_prepared = false;
};

/// Reads the headers of the LoRAs' files. Throws what parse_lora(), find_lora(), open_lora() and
/// add_lora() throw. Models that are only assumed have the shapes of the published ones.
AppliedLoras open_loras(const OpenedModels& models, std::span<const std::string> choices,
                        std::span<const std::filesystem::path> folders);

/// Reads the files once, to check every number, and what DoRA needs of the model's weights: the
/// norms of each tensor with it. Throws what check_numbers() and find_ratios() throw, and
/// Error(kCancelled).
void prepare(AppliedLoras& loras, const OpenedModels& models, const std::stop_token& stop);

/// Keeps the last LoRAs that were asked for: the next picture has the same, as a rule. Thread-safe.
class LoraShelf {
 public:
  LoraShelf(std::vector<std::filesystem::path> folders) : folders_(std::move(folders)) {}

  /// Nullptr for none. `prepared`: for a picture, else for a plan.
  std::shared_ptr<const AppliedLoras> get(const OpenedModels& models,
                                          const std::vector<std::string>& choices, bool prepared,
                                          const std::stop_token& stop = {});

 private:
  std::vector<std::filesystem::path> folders_;
  std::mutex mutex_;
  std::vector<std::string> key_;
  std::shared_ptr<const AppliedLoras> kept_;
};

}  // namespace semblance
