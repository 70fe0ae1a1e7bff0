// Makes a picture from a request: encoding, the step loop, decoding.
//
//   Pipeline pipeline(paths, {});   // opens and audits every file, reads no weights yet
//   Generation generation = pipeline.start(request, embedding, keypoints);
//   while (generation.next()) {     // between steps: progress, preview, cancel
//   }
//   Image picture = generation.decode();
//
// Only one thread at a time may use a Pipeline.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "image/image.h"
#include "image/keypoints.h"
#include "pipeline/encoder.h"
#include "pipeline/people.h"
#include "pipeline/request.h"
#include "pipeline/request_defaults.h"
#include "pipeline/request_plan.h"
#include "pipeline/resume.h"
#include "pipeline/warnings.h"
#include "runtime/workspace.h"

namespace semblance {

struct PipelineOptions {
  Precision precision = Precision::kAuto;
  std::string backend = "cpu";
  /// Memory budget, scratch folder and machine facts. With a meter, a run is replanned when
  /// available memory drops below its plan.
  Workspace::Options workspace = {};
  /// Where LoRAs are looked up by name (lora_folders()).
  std::vector<std::filesystem::path> lora_folders = {};
  /// Where ControlNets are looked up by name (control_folders()).
  std::vector<std::filesystem::path> control_folders = {};
};

class Generation {
 public:
  Generation(Generation&&) noexcept;
  Generation& operator=(Generation&&) noexcept;
  ~Generation();

  /// Computes one step, an evaluation of the model; returns false when all are done. Throws
  /// Error(kCancelled) when stopped, and Error(kMemory) if no plan fits the remaining memory.
  bool next(std::stop_token stop = {});
  /// Messages for the user about the steps since the last call: that the run continues with a
  /// smaller plan. In language().
  std::vector<std::string> take_news();
  /// The process's planned peak in a step, set when the denoiser is made; 0 before, and without a
  /// limit.
  std::uint64_t planned_bytes() const;
  int step() const;  // steps done, in all passes
  /// More than the request's where the sampler evaluates the model more often, or with a second
  /// pass (pipeline/hires.h).
  int steps() const;
  /// Of what is made now: the second pass's is larger.
  Size size() const;
  /// The current latent, f32 [1,4,h/8,w/8], as from diffusers' output_type="latent".
  std::vector<float> latent() const;
  /// The final latent as predicted from the last step's noise, for previews. Equals latent() before
  /// the first step and after the last.
  std::vector<float> predicted() const;
  /// The state for Pipeline::resume(). Reads no file, so it works after a file has failed; a step
  /// that threw does not change it. The caller fills in `outputs` and `latents`.
  SavedRun saved() const;
  /// The time per kernel since the denoiser was made; empty before the first step and after the
  /// last.
  std::vector<KernelTime> times() const;
  /// Decodes the current latent.
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
  /// one Error that lists all missing, unexpected or wrongly shaped tensors. Reads only those
  /// weights that fingerprints_of() samples. Throws Error(kCancelled) after `stop`.
  Pipeline(const ModelPaths& paths, const PipelineOptions& options, std::stop_token stop = {});
  Pipeline(Pipeline&&) noexcept;
  ~Pipeline();

  /// Side in pixels of the square the base model was trained for: sample_size x 8, 1024 for SDXL.
  int native_side() const;
  /// What a request leaves open. start() and plan() complete theirs.
  const RequestDefaults& defaults() const;
  /// The base model's scheduler settings.
  const SchedulerConfig& scheduler() const;
  /// The precision in use, never kAuto.
  Precision precision() const;
  /// With a budget, includes the process's base memory.
  const Workspace& workspace() const;
  /// plan_picture() with these models, this workspace and the request's LoRAs and ControlNets.
  PlannedPicture plan(const PlanQuestion& question, const std::function<void()>& check = {}) const;
  /// most_demanding() for this pipeline's models.
  const Request& most_demanding(std::span<const Request> requests) const;
  /// find_warnings() for this pipeline's models.
  std::vector<Warning> warnings(const Request& request, const std::stop_token& stop = {}) const;

  /// Encodes the prompts and the faces, and makes the initial noise. The embeddings are the
  /// recogniser's 512 numbers, not normalised, of each photo (Request::combine); those of a person
  /// alone set Request::photos. `from`: if the request has a strength. `controls`: the pictures of
  /// its ControlNets. Throws what check(request), with_photos(), check_picture(),
  /// make_picture_sampler(), open_loras(), prepare(), open_controls() and check_control_pictures()
  /// throw, and Error(kCancelled).
  Generation start(const Request& request, const People& people, std::stop_token stop = {},
                   const StartPicture* from = nullptr, ControlPictures controls = {});
  /// The same for a person alone.
  Generation start(const Request& request, std::span<const float> embeddings,
                   const Keypoints& keypoints, std::stop_token stop = {},
                   const StartPicture* from = nullptr, ControlPictures controls = {});
  /// Resumes a run; the result has the same bits as without the stop. Throws Error(kArgument),
  /// saying what to do, if the run was started with other models, another precision, backend or
  /// number of threads; Error(kCorrupt) for a step or latent that does not match its request;
  /// Error(kCancelled).
  Generation resume(const SavedRun& run, std::stop_token stop = {});
  /// Decodes any latent, f32 [c,h/8,w/8]. Throws Error(kCancelled).
  Image decode(std::span<const float> latent, Size size, std::stop_token stop = {});

 private:
  friend class Generation;
  struct Models;
  std::shared_ptr<const Models> models_;
};

}  // namespace semblance
