// A stage of a picture: a network that runs, or work that only holds memory (reading a photo,
// writing a picture). One list of them is planned and run, so that a plan tells what the run does.
#pragma once

#include <functional>
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
  kTextEncoder1,
  kTextEncoder2,
  kResampler,
  kKeypoints,
  kDenoiser,
  kDenoiserAlone,  // without IdentityNet
  kDecoder,
  kPicture,
};
Message title_of(StageId id);
/// "text-encoder-1", "denoiser", ...: what users type.
std::string_view name_of(StageId id);
/// Throws Error(kArgument) with `flag` in front and all names.
StageId parse_stage(std::string_view name, std::string_view flag);

struct Stage {
  StageId id = StageId::kPhoto;
  std::function<Graph()> graph = {};  // none where no network runs
  const WeightMap* weights = nullptr;
  bool keeps_weights = false;  // runs many times in one session
  int runs = 1;
  std::vector<NamedType> ins = {};   // what it reads of Values
  std::vector<NamedType> outs = {};  // what it makes
  /// Of `ins`, what is dropped as soon as the session has it.
  std::vector<std::string> given_up = {};
  /// What it holds beside its session: add_values() adds to what it holds of its own.
  HeldBeside beside = {};
  /// Feeds an open session and keeps its results; none where more than Values is needed.
  std::function<void(Session&, Values&, const std::stop_token&)> run = {};

  SessionOptions options(const Workspace& workspace) const;
  Session open(const Backend& backend, const SessionOptions& options, std::stop_token stop) const;
};

/// Opens the stage's session and runs it.
void run_stage(const Stage& stage, const Workspace& workspace, Values& values,
               const std::stop_token& stop);

/// Adds to each stage's `beside` the values that are live at its turn. A value lives from the stage
/// that makes it, or else from the first that reads it, to the last that reads it.
void add_values(std::vector<Stage>& stages);

/// The stage of that id; nullptr where there is none.
const Stage* find_stage(const std::vector<Stage>& stages, StageId id);

}  // namespace semblance
