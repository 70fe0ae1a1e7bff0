// The models behind the service: opened when something needs them, given back when nothing did for
// a while. Everything but plan() is for one thread, the one that computes.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "app/planning.h"
#include "face/face_models.h"
#include "image/encode.h"
#include "pipeline/latent_colours.h"
#include "pipeline/pipeline.h"

namespace semblance::service {

struct EngineOptions {
  ModelPaths models;
  FaceFiles faces;
  bool demo = false;
  Precision precision = Precision::kAuto;
  std::string backend = "cpu";
  MemoryRequest memory = {};
  std::filesystem::path scratch = {};
  bool may_spill = true;
  std::optional<int> detector_size = {};
};

/// Of the budget, what is left to requests as they come and to plans: the rest is the models'.
inline constexpr std::uint64_t kServiceBytes = std::uint64_t{48} << 20U;

/// What a plan books of it while it is made. SDXL at 1024x1024 takes 16 MiB. At 2048x2048 in too
/// small a budget it takes 38: the excess is covered by connections that are not open.
inline constexpr std::uint64_t kPlanningBytes = std::uint64_t{24} << 20U;

struct ModelFacts {
  std::string name;  // the base's folder
  bool demo = false;
  int native_side = 0;
  double native_guidance = 5;
  SchedulerConfig scheduler = {};
  Precision precision = Precision::kF32;
};

/// What a request would take, or why it cannot be.
struct PlanAnswer {
  bool fits = true;
  std::uint64_t peak_bytes = 0;  // with what is left to the service
  std::uint64_t minimum_bytes = 0;
  std::uint64_t scratch_bytes = 0;
  double seconds = 0;  // of one picture
  double step_seconds = 0;
  std::vector<std::string> summary = {};
  std::optional<std::string> refusal = {};
  std::optional<Size> smaller = {};
};

/// The faces of a photo, the largest first, in pixels of the frame.
struct Sight {
  Size frame;
  FoundFaces found;
};

class Engine {
 public:
  /// Opens and audits the models, and measures the machine where nothing is known of it. Throws
  /// what Pipeline's constructor throws, Error(kArgument) for a budget that leaves nothing to them,
  /// and Error(kCancelled) after `stop`, as everything below does that takes one.
  explicit Engine(const EngineOptions& options, const std::stop_token& stop = {});

  const Budget& budget() const { return budget_; }
  Mode mode() const { return mode_for(budget_.for_mode_bytes, 0); }
  const ModelFacts& facts() const { return facts_; }
  const EngineOptions& options() const { return options_; }

  /// Thread-safe. Throws what make_picture_sampler() throws with the model's settings.
  void check_sampler(const Request& request) const;

  /// Thread-safe; one plan is made at a time. Throws what check(request) throws, and
  /// Error(kCancelled) where `client_left` says so. Without a size the
  /// native one is meant.
  PlanAnswer plan(
      Request request, const std::stop_token& stop = {},
      const std::function<bool()>& client_left = [] { return false; });

  /// Throws Error(kMemory) where the photo's pixels or the face models do not fit beside what is
  /// held, and what decode() throws.
  Sight look(const File& photo, std::stop_token stop = {});
  Pipeline& pipeline(const std::stop_token& stop = {});
  /// Made at the first call.
  const LatentColours& colours(std::stop_token stop = {});
  ImageText text_for(const Request& request, const std::vector<Warning>& warnings) const;

  /// Gives the models back until they are needed again.
  void release();

 private:
  std::shared_ptr<Pipeline> opened(const std::stop_token& stop);

  EngineOptions options_;
  Budget budget_;
  Workspace::Options workspace_;
  ModelFacts facts_;
  std::optional<LatentColours> colours_;
  std::mutex planning_;  // one plan at a time
  std::mutex mutex_;     // guards pipeline_
  std::shared_ptr<Pipeline> pipeline_;
};

}  // namespace semblance::service
