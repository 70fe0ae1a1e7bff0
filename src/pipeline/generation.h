// The state of a Pipeline and of a Generation: private to pipeline.cpp, generation.cpp and
// pipeline_resume.cpp.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "backend/backends.h"
#include "core/error.h"
#include "pipeline/conditions.h"
#include "pipeline/denoiser.h"
#include "pipeline/hires.h"
#include "pipeline/loras.h"
#include "pipeline/picture_sampler.h"
#include "pipeline/pipeline.h"
#include "pipeline/precision.h"
#include "pipeline/room.h"
#include "pipeline/stage_graphs.h"

namespace semblance {

struct Pipeline::Models {
  OpenedModels opened;
  ModelPaths paths;
  std::string backend_name;
  Precision precision;
  Workspace workspace;
  std::unique_ptr<LoraShelf> loras;
  std::unique_ptr<ControlShelf> controls;
  RequestDefaults defaults = RequestDefaults();
  Fingerprints fingerprints = {};

  DType dtype() const { return dtype_of(precision, workspace.backend()); }
};

struct Generation::State {
  std::shared_ptr<const Pipeline::Models> models;
  const Request whole;
  const int pass;
  const Request request;  // of this pass
  People people;          // in pixels of the first pass
  PictureSampler sampling;
  std::shared_ptr<const AppliedLoras> loras;        // nullptr for none
  std::shared_ptr<const AppliedControls> controls;  // likewise
  ControlPictures control_pictures;                 // in the size of this pass
  const ValueTypes types;
  const std::optional<SharedValues> shared;
  const std::vector<Stage> stages;
  Values values = {};
  std::optional<Denoiser> denoiser = {};
  KeptWeights kept_weights = {};    // of the last denoiser, for the next
  std::uint64_t planned_bytes = 0;  // of the denoiser
  std::uint64_t refused_bytes = 0;  // a room in which no denoiser fitted
  std::vector<std::string> news = {};
  const int earlier_steps;  // of the passes before
  const int later_steps;    // and after this one
  int step = 0;
  int restart_step = 0;  // where a saved run goes on while steps share deep features

  State(std::shared_ptr<const Pipeline::Models> models, const Request& whole, People people,
        std::shared_ptr<const AppliedLoras> loras, std::shared_ptr<const AppliedControls> controls,
        ControlPictures control_pictures, RunStart start = {});

  const Sampler& sampler() const { return *sampling.sampler; }
  int steps() const { return sampler().evaluations(); }
  std::span<float> latent() const { return values.at("latent").f32(); }
  const Stage& stage(StageId id) const {
    const Stage* found = find_stage(stages, id);
    SEMBLANCE_ASSERT(found != nullptr);
    return *found;
  }
  bool is_tight(const MemoryRoom& room) const {
    return planned_bytes > room.most_bytes ||
           (planned_bytes > room.tight_bytes && room.target_bytes > refused_bytes);
  }
  Workspace workspace_now();
  std::span<float> value_or_none(std::string_view name) const {
    return values.has(name) ? values.at(name).f32() : std::span<float>();
  }
  void begin(const StartPicture* from, const std::stop_token& stop);
  std::unique_ptr<State> next_pass(const std::stop_token& stop) const;
  Image decode(const std::stop_token& stop) const;
  void make_conditions(const std::stop_token& stop);
  void make_latent();
  void start_from_noise();
  void start_from(const StartPicture& start, const std::stop_token& stop);
  void restore_unmasked(const SavedRun& run);
  StepKind kind() const { return kind_of_step(models->opened, request, step, steps()); }
  void keep_restart();
  void keep_deep();
  void advance(std::span<float> noise);
  void make_features(const Workspace& workspace, const StepKind& step, const std::stop_token& stop);
  void drop_features(const StepKind& step);
  void make_denoiser(const Workspace& workspace, const Stage& stage, const std::stop_token& stop);
  void end_denoiser();
  void replan(const Workspace& workspace, const MemoryRoom& room, const Stage& stage,
              const std::stop_token& stop);
};

}  // namespace semblance
