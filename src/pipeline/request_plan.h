// Estimates what a request needs before it runs: memory, time and disk, stage by stage.
//
// A plan uses the same stages as the run, so it describes what the run does. All figures are bytes
// and seconds. Needs no weights: the tensors of missing files are assumed to be fp16
// (PublishedModel).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "memory/mode.h"
#include "pipeline/stages.h"

namespace semblance {

enum class Limit : std::uint8_t { kComputing, kReadingWeights, kScratchFile };
/// "computing", "reading weights", "scratch file": for JSON, in every language.
std::string_view name_of(Limit limit);
Message title_of(Limit limit);

struct StagePlan {
  StageId id = StageId::kPhoto;
  bool is_half = false;    // steps after the guidance has ended
  bool from_deep = false;  // steps that reuse deep features
  int pass = 0;            // pipeline/hires.h
  int runs = 1;
  bool fits = true;  // if false, the figures of a plan are 0
  std::uint64_t base_bytes = 0;
  std::uint64_t values_bytes = 0;          // values between stages, outside the arena
  std::uint64_t resident_bytes = 0;        // weights that stay in memory
  std::uint64_t streamed_bytes = 0;        // weights read per run, in their file format
  std::uint64_t activation_bytes = 0;      // the arena: activations, scratch, packed weights
  std::uint64_t kernel_scratch_bytes = 0;  // of it, the largest kernel scratch
  std::uint64_t reading_bytes = 0;         // read-ahead ring and staging buffers
  std::uint64_t scratch_bytes = 0;         // of the scratch file
  std::uint64_t peak_bytes = 0;            // of the process
  std::uint64_t card_bytes = 0;            // on a graphics card with its own memory
  double run_seconds = 0;                  // of a run after the first
  double seconds = 0;                      // of all runs, reads before the first included
  double wait_seconds = 0;                 // of a run, waiting for the disk
  Limit limit = Limit::kComputing;
};

/// What tables call it: "denoiser", "denoiser, reusing features".
std::string title_of(const StagePlan& stage, Language language);

struct RequestPlan {
  std::vector<StagePlan> stages;
  std::optional<std::uint64_t> budget_bytes;
  bool fits = true;
  std::uint64_t peak_bytes = 0;     // 0 if it does not fit
  std::uint64_t card_bytes = 0;     // the most on a graphics card with its own memory
  std::uint64_t scratch_bytes = 0;  // the largest scratch file
  double seconds = 0;
  double step_seconds = 0;
};

/// Plans each stage with the workspace's budget and base memory. Results are reused between calls.
class RequestPlanner {
 public:
  /// The stages must outlive this. All functions below call `check` regularly; it cancels by
  /// throwing.
  RequestPlanner(const std::vector<Stage>& stages, const Workspace& workspace,
                 std::function<void()> check = {});
  ~RequestPlanner();

  RequestPlan plan();
  /// Whether plan() would fit; cheaper than calling it.
  bool fits();
  /// The smallest budget in which all stages fit, in whole MiB.
  std::uint64_t minimum_budget();
  /// The least memory on the card in which all stages fit, in whole MiB; 0 without a card.
  std::uint64_t minimum_on_card();
  /// Explains the stage's program, or says that it has none or does not fit.
  std::string explain(StageId id);

 private:
  class PlannedStage;
  std::vector<PlannedStage*> heaviest_first() const;

  const std::vector<Stage>& all_;
  Workspace workspace_;
  std::function<void()> check_;
  std::vector<std::unique_ptr<PlannedStage>> stages_;
};

/// Whether to compute one of the costlier answers.
enum class Wanted : std::uint8_t { kNever, kWhereItDoesNotFit, kAlways };

struct PlanQuestion {
  Request request;
  std::optional<ImageFormat> format = {};  // absent if no file is written
  std::vector<Stage> before = {};          // stages that run before: those of photos
  /// Stages that run with the decoded picture, if they fit: of its likeness.
  std::vector<Stage> after = {};
  RunStart start = {};
  std::shared_ptr<const AppliedLoras> loras = {};        // the request's
  std::shared_ptr<const AppliedControls> controls = {};  // the request's
  Wanted minimum = Wanted::kWhereItDoesNotFit;
  Wanted largest = Wanted::kWhereItDoesNotFit;
  std::optional<StageId> explained = {};
};

struct PlannedPicture {
  RequestPlan plan;
  bool has_after = false;                // PlanQuestion::after fits, or is empty
  std::uint64_t minimum_bytes = 0;       // RequestPlanner::minimum_budget()
  std::uint64_t minimum_card_bytes = 0;  // RequestPlanner::minimum_on_card()
  /// The largest picture found that fits, in the request's shape, with sides that are multiples of
  /// 64 up to 2048; absent if none is found. Only three sizes are tried, so a slightly larger one
  /// may fit too.
  std::optional<Size> largest = {};
  std::string explanation = {};  // of the requested stage
};

/// Plans a picture, for all front ends. `check` as above.
PlannedPicture plan_picture(const OpenedModels& models, DType dtype, const Workspace& workspace,
                            const PlanQuestion& question, const std::function<void()>& check = {});

}  // namespace semblance
