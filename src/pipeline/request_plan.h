// What a request will take before it runs: memory, time and disk, stage by stage.
//
// A stage is described once, and the run computes the same graph with the same options; so the
// plan tells what the run does. Bytes and seconds. Needs no weights: where a file is not there,
// its tensors are taken for fp16 (pipeline/assumed_models.h).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "core/messages.h"
#include "image/decode.h"
#include "memory/mode.h"
#include "pipeline/opened_models.h"
#include "runtime/workspace.h"

namespace semblance {

/// One network that runs, or work that only holds memory (reading a photo, writing a picture).
struct Stage {
  Message name;
  std::function<Graph()> graph = {};  // none where no network runs
  const WeightMap* weights = nullptr;
  bool keeps_weights = false;  // runs many times in one session
  int runs = 1;
  HeldBeside beside = {};
};

/// What stages hold of a picture's values.
HeldBeside text_encoder_beside(const OpenedModels& models, std::size_t encoder,
                               const Request& request);
HeldBeside resampler_beside(const OpenedModels& models, const Request& request);
HeldBeside keypoints_beside(const OpenedModels& models, const Request& request);
HeldBeside denoiser_beside(const OpenedModels& models, const Request& request, bool with_identity);
HeldBeside decoder_beside(const OpenedModels& models, const Request& request);

/// From the prompt to the file, in order. `format` is the picture's, absent where none is written;
/// `first_step` is not 0 where a run is resumed. `models` must outlive them.
std::vector<Stage> stages_of(const OpenedModels& models, const Request& request, DType dtype,
                             std::optional<ImageFormat> format, int first_step = 0);

enum class Limit : std::uint8_t { kComputing, kReadingWeights, kScratchFile };
/// "computing", "reading weights", "scratch file": for JSON, in every language.
std::string_view name_of(Limit limit);
Message title_of(Limit limit);

struct StagePlan {
  Message name;
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
  Size picture;
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
  /// Whether plan() says that all fit: sooner told.
  bool fits();
  /// The smallest budget in which all fit, whole MiB.
  std::uint64_t minimum_budget();

 private:
  class PlannedStage;
  std::vector<PlannedStage*> heaviest_first() const;

  const std::vector<Stage>& all_;
  Workspace workspace_;
  std::function<void()> check_;
  std::vector<std::unique_ptr<PlannedStage>> stages_;
};

/// The largest picture of the request's shape, sides multiples of 64 up to 2048, whose stages fit
/// in the workspace's budget; nothing where none is found. `minimum_bytes` is the request's
/// minimum, from which the search begins; three tries are made, so that a picture some steps larger
/// may fit, too. `check` as above.
std::optional<Size> largest_picture(const OpenedModels& models, const Request& request, DType dtype,
                                    const Workspace& workspace, std::optional<ImageFormat> format,
                                    std::uint64_t minimum_bytes,
                                    const std::function<void()>& check = {});

}  // namespace semblance
