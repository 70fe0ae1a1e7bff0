#include "pipeline/stage.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <map>

#include "backend/backends.h"
#include "core/error.h"
#include "runtime/host_device.h"

namespace semblance {

Message title_of(StageId id) {
  switch (id) {
    case StageId::kPhoto:
      return Message::kStagePhoto;
    case StageId::kDetector:
      return Message::kStageDetector;
    case StageId::kRecogniser:
      return Message::kStageRecogniser;
    case StageId::kEncoder:
      return Message::kStageEncoder;
    case StageId::kTextEncoder1:
      return Message::kStageText1;
    case StageId::kTextEncoder2:
      return Message::kStageText2;
    case StageId::kResampler:
      return Message::kStageResampler;
    case StageId::kKeypoints:
      return Message::kStageKeypoints;
    case StageId::kControl:
      return Message::kStageControl;
    case StageId::kDenoiser:
      return Message::kStageDenoiser;
    case StageId::kDenoiserAlone:
      return Message::kStageDenoiserAlone;
    case StageId::kDecoder:
      return Message::kStageDecoder;
    case StageId::kEnlarging:
      return Message::kStageEnlarging;
    case StageId::kPicture:
      return Message::kStagePicture;
  }
  SEMBLANCE_ASSERT(false);
  return Message::kStagePicture;
}

namespace {

constexpr std::array<std::string_view, 14> kNames{
    "photo",          "detector",  "recogniser", "encoder", "text-encoder-1",
    "text-encoder-2", "resampler", "keypoints",  "control", "denoiser",
    "denoiser-alone", "decoder",   "enlarging",  "picture"};

}  // namespace

std::string_view name_of(StageId id) { return kNames[static_cast<std::size_t>(id)]; }

StageId parse_stage(std::string_view name, std::string_view flag) {
  const auto found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) {
    fail(ErrorKind::kArgument, "cannot take {}: expected one of {}, got '{}'", flag,
         fmt::join(kNames, ", "), name);
  }
  return static_cast<StageId>(found - kNames.begin());
}

std::vector<std::string> Stage::steady_inputs() const {
  std::vector<std::string> names;
  if (!step || !keeps_weights) return names;
  for (const NamedType& value : ins)
    if (value.name != "latent") names.push_back(value.name);
  return names;
}

SessionOptions Stage::options(const Workspace& workspace, std::uint64_t kept_bytes) const {
  OtherMemory other = beside;
  const auto& room = workspace.options().device_room;
  if (!room || !room->is_separate) other.released_bytes += kept_bytes;
  SessionOptions options =
      keeps_weights ? workspace.for_many_runs(other) : workspace.for_one_run(other);
  options.fit.steady_inputs = steady_inputs();
  return options;
}

Session Stage::open(const Backend& backend, const SessionOptions& options, std::stop_token stop,
                    KeptWeights kept) const {
  SEMBLANCE_ASSERT(graph && weights != nullptr);
  return {graph(), backend, view(), options, std::move(stop), std::move(kept)};
}

Workspace on_processor(const Workspace& workspace) {
  const bool is_there = &workspace.backend().device() == &host_device();
  return is_there ? workspace : workspace.on(cpu_backend());
}

void run_stage(const Stage& stage, const Workspace& workspace, Values& values,
               const std::stop_token& stop) {
  Session session = stage.open(workspace.backend(), stage.options(workspace), stop);
  stage.run(session, values, stop);
}

namespace {

struct Life {
  std::uint64_t bytes = 0;
  std::size_t begin = 0;                // the stage that makes it, or the first that reads it
  bool is_made = false;                 // by a stage
  std::optional<std::size_t> end = {};  // the last stage that reads it
};

std::map<std::string, Life> lives_of(const std::vector<Stage>& stages) {
  std::map<std::string, Life> lives;
  for (std::size_t i = 0; i < stages.size(); ++i) {
    for (const auto& values : {stages[i].ins, stages[i].held}) {
      for (const NamedType& value : values) {
        Life& life = lives.try_emplace(value.name, Life{.begin = i}).first->second;
        life.bytes = std::max(life.bytes, value.type.bytes());
        life.end = i;
      }
    }
    for (const NamedType& value : stages[i].outs) {
      Life& life = lives.try_emplace(value.name, Life{.begin = i, .is_made = true}).first->second;
      life.bytes = std::max(life.bytes, value.type.bytes());
    }
  }
  return lives;
}

bool has(const std::vector<NamedType>& values, const std::string& name) {
  return std::any_of(values.begin(), values.end(),
                     [&](const NamedType& value) { return value.name == name; });
}

}  // namespace

void add_values(std::vector<Stage>& stages) {
  for (const auto& [name, life] : lives_of(stages)) {
    for (std::size_t i = life.begin; i < stages.size(); ++i) {
      Stage& stage = stages[i];
      const bool is_held = life.end && *life.end >= i && !(life.is_made && life.begin == i);
      const auto& given_up = stage.given_up;
      if (is_held && std::find(given_up.begin(), given_up.end(), name) != given_up.end()) {
        stage.beside.released_bytes += life.bytes;
      } else if (is_held) {
        stage.beside.kept_bytes += life.bytes;
      } else if (has(stage.outs, name)) {
        stage.beside.added_bytes += life.bytes;
      }
    }
  }
}

const Stage* find_maker(const std::vector<Stage>& stages, std::string_view value) {
  const auto makes = [value](const Stage& stage) {
    return std::ranges::find(stage.outs, value, &NamedType::name) != stage.outs.end();
  };
  const auto found = std::ranges::find_if(stages, makes);
  return found == stages.end() ? nullptr : &*found;
}

const Stage* find_stage(const std::vector<Stage>& stages, StageId id) {
  const auto found = std::find_if(stages.begin(), stages.end(),
                                  [id](const Stage& stage) { return stage.id == id; });
  return found == stages.end() ? nullptr : &*found;
}

const Stage* find_stage(const std::vector<Stage>& stages, const StepKind& step) {
  const auto found = std::ranges::find(stages, std::optional(step), &Stage::step);
  return found == stages.end() ? nullptr : &*found;
}

}  // namespace semblance
