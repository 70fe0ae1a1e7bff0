// A stage of a picture: a network, or other work that takes memory (reading a photo, writing a
// picture). Plan and run use the same list of stages, so that a plan describes the run.
#pragma once

#include <functional>
#include <optional>
#include <stop_token>
#include <vector>

#include "core/messages.h"
#include "pipeline/values.h"
#include "runtime/workspace.h"

namespace semblance {

enum class StageId : std::uint8_t {
  kPhoto,
  kDetector,
  kRecogniser,
  kEncoder,  // of the picture that a new one starts from
  kTextEncoder1,
  kTextEncoder2,
  kResampler,
  kKeypoints,
  kControl,  // the features of a ControlNet's picture
  kDenoiser,
  kDenoiserAlone,  // without IdentityNet
  kDecoder,
  kEnlarging,  // of the picture that a second pass starts from
  kPicture,
};
Message title_of(StageId id);
/// "text-encoder-1", "denoiser", ...: the names for the command line.
std::string_view name_of(StageId id);
/// Throws Error(kArgument) that starts with `flag` and lists all names.
StageId parse_stage(std::string_view name, std::string_view flag);

/// What a step of the denoiser computes.
struct StepKind {
  std::uint32_t identity = 0;  // the people for whom IdentityNet is on, a bit for each
  bool is_guided = false;      // both halves of the guidance
  bool from_deep = false;      // the outermost level only, from an earlier step's deep features
  std::uint32_t adapter = 0;   // the people for whom the face adapter is on
  std::uint32_t controls = 0;  // the other ControlNets that are on

  bool with_identity() const { return identity != 0; }
  bool has_identity(std::size_t person) const { return (identity >> person & 1U) != 0; }
  bool has_adapter(std::size_t person) const { return (adapter >> person & 1U) != 0; }
  bool has_control(std::size_t i) const { return (controls >> i & 1U) != 0; }

  friend bool operator==(const StepKind&, const StepKind&) = default;
};

struct Stage {
  StageId id = StageId::kPhoto;
  int pass = 0;                       // pipeline/hires.h
  std::optional<StepKind> step = {};  // of kDenoiser and kDenoiserAlone
  std::function<Graph()> graph = {};  // empty if no network runs
  const WeightMap* weights = nullptr;
  std::shared_ptr<const WeightPatches> patches = {};  // of the weights
  bool keeps_weights = false;                         // runs many times in one session
  bool on_processor = false;                          // cards have no kernels for all of its ops
  int runs = 1;
  std::vector<NamedType> ins = {};   // the values it reads
  std::vector<NamedType> outs = {};  // the values it makes
  /// Values that others need, which it neither reads nor makes.
  std::vector<NamedType> held = {};
  /// Those of `ins` that are dropped as soon as the session has them.
  std::vector<std::string> given_up = {};
  /// Memory held beside its session: the stage's own, to which add_values() adds the values.
  OtherMemory beside = {};
  /// Sets an open session's inputs, runs it and stores its results; empty if more than Values is
  /// needed.
  std::function<void(Session&, Values&, const std::stop_token&)> run = {};

  /// Those of `ins` that a step's session gets once for all its runs.
  std::vector<std::string> steady_inputs() const;
  /// The weights with their patches.
  WeightView view() const { return {*weights, patches.get()}; }
  /// `kept_bytes`: of weights that the session takes over.
  SessionOptions options(const Workspace& workspace, std::uint64_t kept_bytes = 0) const;
  Session open(const Backend& backend, const SessionOptions& options, std::stop_token stop,
               KeptWeights kept = {}) const;
};

/// The same on the processor, if it is on a card: for networks with ops that cards have no kernels
/// for.
Workspace on_processor(const Workspace& workspace);

/// Opens the stage's session and runs it.
void run_stage(const Stage& stage, const Workspace& workspace, Values& values,
               const std::stop_token& stop);

/// Adds to each stage's `beside` the values that are live at its turn. A value is live from the
/// stage that makes it (or the first that reads it) to the last that reads it.
void add_values(std::vector<Stage>& stages);

/// The stage that makes a value, or nullptr.
const Stage* find_maker(const std::vector<Stage>& stages, std::string_view value);
/// The first stage with this id, or nullptr.
const Stage* find_stage(const std::vector<Stage>& stages, StageId id);
/// The stage of these steps, or nullptr.
const Stage* find_stage(const std::vector<Stage>& stages, const StepKind& step);

}  // namespace semblance
