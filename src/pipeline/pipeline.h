// A request becomes a picture: encode, the step loop, decode.
//
//   Pipeline pipeline(paths, {});   // opens and audits every file, reads no weights yet
//   Generation generation = pipeline.start(request, embedding, keypoints);
//   while (generation.next()) {     // progress, preview, cancel: between two turns
//   }
//   Image picture = generation.decode();
//
// A Pipeline may be used by one thread at a time.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "image/image.h"
#include "image/keypoints.h"
#include "pipeline/request.h"
#include "pipeline/request_plan.h"
#include "pipeline/resume.h"
#include "pipeline/warnings.h"
#include "runtime/workspace.h"

namespace semblance {

struct PipelineOptions {
  Precision precision = Precision::kAuto;
  std::string backend = "cpu";
  /// The memory budget, the scratch folder, what is known of the machine. With a meter a run is
  /// planned anew when the machine has become too tight for its plan.
  Workspace::Options workspace = {};
};

/// What `auto` is on this processor. Throws Error(kDevice) for one that it cannot compute in.
Precision resolve(Precision precision);
DType dtype_of(Precision precision);

class Generation {
 public:
  Generation(Generation&&) noexcept;
  Generation& operator=(Generation&&) noexcept;
  ~Generation();

  /// Computes one step; false when all are done. Throws Error(kCancelled) when stopped in between,
  /// and Error(kMemory) when the machine has become so tight that no plan fits.
  bool next(std::stop_token stop = {});
  /// What a user should know of the steps since the last call: that the run goes on with a smaller
  /// plan. In language().
  std::vector<std::string> take_news();
  /// What the process holds at most in a step, as planned when the denoiser was made; 0 before, and
  /// where nothing limits it.
  std::uint64_t planned_bytes() const;
  int step() const;  // steps done
  int steps() const;
  /// The latent as it is now, f32 [1,4,h/8,w/8], as diffusers' output_type="latent" gives it.
  std::vector<float> latent() const;
  /// The latent as the last step's noise predicts that it will end: what a preview shows. latent()
  /// before the first step and after the last.
  std::vector<float> predicted() const;
  /// What Pipeline::resume() goes on from. Reads no file, so that it works when one has failed; a
  /// step that has thrown leaves it as it was. `outputs` and `latents` are the caller's to fill.
  SavedRun saved() const;
  /// Where the time of the steps went since the denoiser was made; empty before the first step and
  /// after the last.
  std::vector<KernelTime> times() const;
  /// The picture of the latent as it is now.
  Image decode(std::stop_token stop = {});

 private:
  friend class Pipeline;
  struct State;
  explicit Generation(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

class Pipeline {
 public:
  /// Opens the files, reads configs and headers, and audits every tensor's name and shape; throws
  /// one Error that lists all that is missing, left over or wrongly shaped. Of the
  /// weights only what fingerprints_of() looks at is read. Throws Error(kCancelled) after `stop`.
  Pipeline(const ModelPaths& paths, const PipelineOptions& options, std::stop_token stop = {});
  Pipeline(Pipeline&&) noexcept;
  ~Pipeline();

  /// Side of the square that the base model was made for: sample_size x 8, 1024 for SDXL.
  int native_side() const;
  /// What the base model says for pictures that name no guidance, else the published demo's 5.
  double native_guidance() const;
  /// The precision that `auto` became.
  Precision precision() const;
  /// With the base that the process has, where there is a budget.
  const Workspace& workspace() const;
  /// plan_picture() with these models and this workspace.
  PlannedPicture plan(const PlanQuestion& question, const std::function<void()>& check = {}) const;
  /// find_warnings() of this pipeline's models.
  std::vector<Warning> warnings(const Request& request, const std::stop_token& stop = {}) const;

  /// Encodes the prompts and the face, and makes the first noise. `embedding`: 512 numbers as the
  /// recogniser gave them; `keypoints` in pixels of the picture to be made. Throws as
  /// check(request) does, and Error(kCancelled).
  Generation start(const Request& request, std::span<const float> embedding,
                   const Keypoints& keypoints, std::stop_token stop = {});
  /// Goes on with a run, to the same bits as if it had not stopped. Throws Error(kArgument), saying
  /// what to do, when it was begun with other models, another precision, backend or number of
  /// threads; Error(kCorrupt) for a step or latent that its request cannot have;
  /// Error(kCancelled).
  Generation resume(const SavedRun& run, std::stop_token stop = {});
  /// The picture of any latent, f32 [c,h/8,w/8]. Throws Error(kCancelled).
  Image decode(std::span<const float> latent, Size size, std::stop_token stop = {});

 private:
  friend class Generation;
  struct Models;
  std::shared_ptr<const Models> models_;
};

}  // namespace semblance
