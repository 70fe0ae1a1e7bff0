// The service's models: opened when needed, released after a while without use. Only the compute
// thread may call anything but plan().
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "app/device_choice.h"
#include "app/initial_picture.h"
#include "app/picture_prompts.h"
#include "app/planning.h"
#include "face/face_models.h"
#include "image/canny.h"
#include "image/encode.h"
#include "pipeline/latent_colours.h"
#include "pipeline/pipeline.h"

namespace semblance::service {

/// What a service makes pictures with.
struct ModelSet {
  ModelPaths models = {};
  FaceFiles faces = {};
  bool demo = false;

  /// As the API and the pictures' texts call it.
  std::string name() const;
};

struct EngineOptions {
  ModelPaths models;
  FaceFiles faces;
  bool demo = false;
  Precision precision = Precision::kAuto;
  std::string backend = "cpu";
  std::vector<std::filesystem::path> lora_folders = {};
  std::vector<std::filesystem::path> control_folders = {};
  MemoryRequest memory = {};
  MemoryRequest card_memory = {};  // on a graphics card
  std::filesystem::path scratch = {};
  bool may_spill = true;
  std::optional<int> detector_size = {};
  PromptSources prompts = {};
};

/// The part of the budget that is reserved for requests and planning; the rest is the models'.
inline constexpr std::uint64_t kServiceBytes = std::uint64_t{48} << 20U;

/// What a plan books of it while it is made: all that large request bodies share, so that they
/// wait. SDXL at 1024x1024 takes 16 MiB; 2048x2048 in too small a budget takes 38, the excess being
/// covered by connections that are not open.
inline constexpr std::uint64_t kPlanningBytes = std::uint64_t{24} << 20U;

struct ModelFacts {
  std::string name;  // model_name() of the base model
  std::filesystem::path base;
  bool demo = false;
  int native_side = 0;
  RequestDefaults defaults = RequestDefaults();
  SchedulerConfig scheduler = {};
  Precision precision = Precision::kF32;
};

/// What a request would need, or why it does not fit.
struct PlanAnswer {
  bool fits = true;
  std::uint64_t peak_bytes = 0;  // including kServiceBytes
  std::uint64_t minimum_bytes = 0;
  std::uint64_t scratch_bytes = 0;
  double seconds = 0;  // of one picture
  double step_seconds = 0;
  std::vector<QualityTime> qualities = {};
  std::vector<std::string> summary = {};
  std::optional<std::string> refusal = {};
  std::optional<Size> smaller = {};
  bool has_likeness = true;  // the face models that measure it fit, too
};

/// The faces in a photo, the largest first, in pixels of the frame.
struct PhotoFaces {
  Size frame;
  FoundFaces found;
};

class Engine {
 public:
  /// Opens and audits the models, and measures the machine unless measurements exist. Throws what
  /// Pipeline's constructor throws, Error(kArgument) for a budget that leaves nothing for the
  /// models, and Error(kCancelled) after `stop`, as do all functions below that take one.
  explicit Engine(const EngineOptions& options, const std::stop_token& stop = {});

  const Budget& budget() const { return budget_; }
  Mode mode() const { return mode_for(budget_.for_mode_bytes, 0); }
  /// Of the models in use; stays valid when others are. Thread-safe.
  const ModelFacts& facts() const { return *facts_.load(); }
  /// The memory of the graphics card in use; none if the processor computes. Thread-safe.
  std::optional<CardUse> card_use() const;
  const EngineOptions& options() const { return options_; }
  /// with_drawn_prompts() with the service's styles and wildcards, whose lines are not kept.
  /// Thread-safe.
  Request drawn(const Request& request) const;
  /// Throws HttpError, naming the parameter, for a style, choices, syntax or LoRAs that one of
  /// `count` pictures cannot have. Thread-safe.
  void check_prompts(const Request& request, int count) const;

  /// The same for a ControlNet that there is not. Thread-safe.
  void check_controls(const Request& request) const;
  /// The names of the ControlNets that there are. Thread-safe.
  std::vector<std::string> controls() const { return control_names(options_.control_folders); }

  /// Thread-safe. Throws what make_picture_sampler() throws with the model's settings, as an
  /// HttpError.
  void check_sampler(const Request& request) const;

  /// Thread-safe; makes one plan at a time. Without a size the model's native one is used. Throws
  /// what check(request) throws, and Error(kCancelled) once `client_left`.
  PlanAnswer plan(
      Request request, const std::stop_token& stop = {},
      const std::function<bool()>& client_left = [] { return false; });

  /// Throws Error(kMemory) if the photo's pixels and the face models do not fit into the rest of
  /// the budget, and what decode() throws.
  PhotoFaces look(const File& photo, std::stop_token stop = {});
  /// A picture to start from, for a complete request. Throws Error(kMemory) if its pixels do not
  /// fit into the rest of the budget, and what InitialPicture::open() throws.
  StartPicture open_initial(const InitialPicture& initial, const Request& request,
                            const std::stop_token& stop = {});
  /// Likewise a ControlNet's picture.
  Image open_control(const File& file, const Request& request, Prepare prepare,
                     const InitialPicture* initial, const std::stop_token& stop = {},
                     const CannyThresholds& edges = {});
  /// SubjectReader::faces_of_result(), for a request whose plan has_likeness.
  FoundFaces faces_of_result(const Image& picture, std::size_t people, std::stop_token stop = {});
  Pipeline& pipeline(const std::stop_token& stop = {});
  /// Computed at the first call.
  const LatentColours& colours(std::stop_token stop = {});
  ImageText text_for(const Request& request, const std::vector<Warning>& warnings,
                     std::optional<double> likeness) const;

  /// Opens other models and uses them from now on. The queue must be empty. If they cannot be
  /// opened, throws what Pipeline's constructor throws, and the present ones stay.
  void use(const ModelSet& set, const std::stop_token& stop);

  /// Releases the models until they are needed again.
  void release();

 private:
  void check_room(std::string_view what, const Stage& reading, const std::stop_token& stop);
  std::shared_ptr<Pipeline> opened(const std::stop_token& stop);
  std::shared_ptr<Pipeline> open(const ModelPaths& models, const std::stop_token& stop) const;
  void learn(const Pipeline& pipeline);
  PhotoOptions looking(const Pipeline& pipeline) const;

  EngineOptions options_;
  Budget budget_;
  Workspace::Options workspace_;
  std::deque<ModelFacts> all_facts_;  // of all models that were used; the last ones are in use
  std::atomic<const ModelFacts*> facts_ = nullptr;
  std::optional<LatentColours> colours_;
  std::mutex planning_;  // one plan at a time
  std::mutex mutex_;     // guards pipeline_
  std::shared_ptr<Pipeline> pipeline_;
};

}  // namespace semblance::service
