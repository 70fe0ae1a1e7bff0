// What a request will take before it runs: memory, time and disk, stage by stage.
//
// A plan is made of the stages that the run runs, so it tells what the run does. Bytes and seconds.
// Needs no weights: where a file is not there, its tensors are taken for fp16
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
  int runs = 1;
  bool fits = true;  // where it does not, what a plan would tell is 0
  std::uint64_t base_bytes = 0;
  std::uint64_t values_bytes = 0;          // what is held beside the places
  std::uint64_t resident_bytes = 0;        // weights that stay
  std::uint64_t streamed_bytes = 0;        // weights read in a run, as they are in their files
  std::uint64_t activation_bytes = 0;      // the arena: activations, scratch, packed weights
  std::uint64_t kernel_scratch_bytes = 0;  // of it, the most that a kernel takes
  std::uint64_t reading_bytes = 0;         // the ring and the staging
  std::uint64_t scratch_bytes = 0;         // of the scratch file
  std::uint64_t peak_bytes = 0;            // of the process
  double run_seconds = 0;                  // of a run after the first
  double seconds = 0;                      // of all runs, with what is read before the first
  double wait_seconds = 0;                 // of a run, for the disk
  Limit limit = Limit::kComputing;
};

struct RequestPlan {
  std::vector<StagePlan> stages;
  std::optional<std::uint64_t> budget_bytes;
  bool fits = true;
  std::uint64_t peak_bytes = 0;     // 0 where it does not fit
  std::uint64_t scratch_bytes = 0;  // the largest scratch file
  double seconds = 0;
  double step_seconds = 0;
};

/// Plans each stage with the workspace's budget and base. What was found out for one question
/// serves the next.
class RequestPlanner {
 public:
  /// The stages must outlive this. Everything below calls `check` all along, which ends it
  /// by throwing.
  RequestPlanner(const std::vector<Stage>& stages, const Workspace& workspace,
                 std::function<void()> check = {});
  ~RequestPlanner();

  RequestPlan plan();
  /// Whether plan() would fit; cheaper than calling it.
  bool fits();
  /// The smallest budget in which all fit, whole MiB.
  std::uint64_t minimum_budget();
  /// Why the stage's program is as it is; says so where the stage has none, or does not fit.
  std::string explain(StageId id);

 private:
  class PlannedStage;
  std::vector<PlannedStage*> heaviest_first() const;

  const std::vector<Stage>& all_;
  Workspace workspace_;
  std::function<void()> check_;
  std::vector<std::unique_ptr<PlannedStage>> stages_;
};

/// Which of the costlier answers are wanted.
enum class Wanted : std::uint8_t { kNever, kWhereItDoesNotFit, kAlways };

struct PlanQuestion {
  Request request;
  std::optional<ImageFormat> format = {};  // absent where no file is written
  std::vector<Stage> before = {};          // what runs before: the stages of photos
  int first_step = 0;
  Wanted minimum = Wanted::kWhereItDoesNotFit;
  Wanted largest = Wanted::kWhereItDoesNotFit;
  std::optional<StageId> explained = {};
};

struct PlannedPicture {
  RequestPlan plan;
  std::uint64_t minimum_bytes = 0;  // RequestPlanner::minimum_budget()
  /// The largest picture of the request's shape that fits, sides multiples of 64 up to 2048; absent
  /// where none is found. Three tries are made, so a picture some steps larger may fit, too.
  std::optional<Size> largest = {};
  std::string explanation = {};  // of the stage that was asked for
};

/// How all front ends plan a picture. `check` as above.
PlannedPicture plan_picture(const OpenedModels& models, DType dtype, const Workspace& workspace,
                            const PlanQuestion& question, const std::function<void()>& check = {});

}  // namespace semblance
