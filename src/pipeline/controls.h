// The ControlNets of a request, beside IdentityNet: opened, audited, and ready for its steps.
#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "image/image.h"
#include "pipeline/control_choice.h"
#include "pipeline/fingerprint.h"
#include "pipeline/opened_models.h"

namespace semblance {

/// A ControlNet of a request.
struct Control {
  ControlChoice choice;
  UNetConfig config;
  /// Of its tensors' names in AppliedControls::weights: "control.0." Choices of the same model
  /// share them.
  std::string prefix;
  std::string value;  // with its picture's features (stages.h): "control_1"

  int type() const { return choice.type.value_or(0); }
};

/// Immutable; const use is thread-safe.
struct AppliedControls {
  std::vector<Control> controls;
  WeightMap weights;          // of all of them, and of the denoiser
  Fingerprints fingerprints;  // "the ControlNet canny"
  /// With absolute paths of the models: what a saved run has.
  std::vector<std::string> paths;
  std::vector<std::string> assumed;  // models that are not there
  std::uint64_t held_bytes = 0;      // of all this, roughly
};

/// What to do about a model that is not there: plans assume SDXL's sizes.
enum class MissingControl : std::uint8_t { kRefuse, kAssume };

/// Reads configs and the headers of the weights, and audits names and shapes. Throws what
/// parse_control(), find_control(), SingleFile::open() and audit() throw; Error(kArgument) for a
/// file that is no ControlNet or a type that does not suit it, Error(kShape) for a ControlNet of
/// another model, saying of which.
AppliedControls open_controls(const OpenedModels& models, std::span<const std::string> choices,
                              std::span<const std::filesystem::path> folders,
                              MissingControl missing = MissingControl::kRefuse);

/// One of the new picture's size for each ControlNet; empty for none.
using ControlPictures = std::shared_ptr<const std::vector<Image>>;

/// Throws Error(kArgument) unless the pictures are as they must be.
void check_control_pictures(const Request& request, const ControlPictures& pictures);

/// Keeps the last ControlNets that were asked for. Thread-safe.
class ControlShelf {
 public:
  ControlShelf(std::vector<std::filesystem::path> folders) : folders_(std::move(folders)) {}

  /// Nullptr for none.
  std::shared_ptr<const AppliedControls> get(const OpenedModels& models,
                                             const std::vector<std::string>& choices,
                                             MissingControl missing = MissingControl::kRefuse);

 private:
  std::vector<std::filesystem::path> folders_;
  std::mutex mutex_;
  std::vector<std::string> key_;
  std::shared_ptr<const AppliedControls> kept_;
};

}  // namespace semblance
