// The memory that stages hold beside their sessions: the values that are live at the time.
#include <gtest/gtest.h>

#include <array>

#include "core/json.h"
#include "face/identity.h"
#include "pipeline/conditions.h"
#include "pipeline/models_test.h"
#include "pipeline/pipeline.h"
#include "pipeline/stage_graphs.h"
#include "pipeline/stages.h"
#include "tests/support/golden.h"

namespace semblance {
namespace {

NamedType bytes_named(const char* name, std::int64_t count) {
  return {name, {DType::kU8, {count}}};
}

TEST(StageValues, LiveFromProducerToLastReader) {
  const NamedType asked = bytes_named("asked", 1);  // made by no stage
  const NamedType text = bytes_named("text", 10);
  const NamedType once = bytes_named("once", 100);
  const NamedType result = bytes_named("result", 1000);
  std::vector<Stage> stages{
      {.ins = {asked}, .outs = {text}, .beside = {.kept_bytes = 7}},
      {.outs = {once}},  // text waits
      {.ins = {text, once}, .outs = {result}, .given_up = {"once"}},
      {.ins = {result}},
  };
  add_values(stages);
  const auto beside = [&](std::size_t i) {
    const OtherMemory& held = stages[i].beside;
    return std::array{held.kept_bytes, held.released_bytes, held.added_bytes};
  };
  using Expected = std::array<std::uint64_t, 3>;
  EXPECT_EQ(beside(0), (Expected{7 + 1, 0, 10}));
  EXPECT_EQ(beside(1), (Expected{10, 0, 100}));
  EXPECT_EQ(beside(2), (Expected{10, 100, 1000}));
  EXPECT_EQ(beside(3), (Expected{1000, 0, 0}));
}

/// A run of a request, with the stages that describe it and the values that it holds.
struct HeldByRun {
  explicit HeldByRun(const Request& request)
      : stages(stages_of(models, request, DType::kF32, {})),
        generation(pipeline.start(request, person.embedding, scale_keypoints(person, {64, 48}))) {
    const ValueTypes types = value_types(models, request);
    inputs = types.embeddings.type.bytes() + types.face_points.type.bytes();
  }
  static std::uint64_t held() { return count_of(Tag::kResult).bytes; }
  std::uint64_t bytes() const { return held() - before; }

  std::filesystem::path folder = testing::golden_path("pipeline/fp16_published");
  ModelPaths paths = testing::models_in(folder / "checkpoint");
  OpenedModels models = open_models(paths);
  Pipeline pipeline{paths, {.precision = Precision::kF32}};
  Identity person = read_identity(folder / "plain/identity.json");
  std::vector<Stage> stages;
  std::uint64_t inputs = 0;  // bytes of what no stage makes and none drops
  std::uint64_t before = held();
  Generation generation;
};

/// A run holds no more values than its stages declare, and frees those that no later stage reads.
TEST(StageValues, MatchWhatARunHolds) {
  Request request{.prompt = "a man", .negative = "blurry", .width = 64, .height = 48, .steps = 3};
  request.identity_end = 0.5;  // the last step runs without IdentityNet
  HeldByRun run(request);
  const auto expect_held = [&](StageId id) {
    const OtherMemory& beside = find_stage(run.stages, id)->beside;
    EXPECT_EQ(run.bytes(), beside.kept_bytes + beside.added_bytes + run.inputs);
  };
  run.generation.next();
  expect_held(StageId::kDenoiser);
  run.generation.next();
  EXPECT_NE(find_stage(run.stages, StageId::kDenoiserAlone), nullptr);
  expect_held(StageId::kDenoiserAlone);
  run.generation.next();
  EXPECT_EQ(run.bytes(), find_stage(run.stages, StageId::kDecoder)->beside.kept_bytes);
}

TEST(StageValues, MatchWhatARunHoldsWhereStepsShareFeatures) {
  Request request{.prompt = "a man", .negative = "blurry", .width = 64, .height = 48, .steps = 6};
  request.reuse = 2;
  request.perturbed_guidance = 1;
  request.identity_end = 0.5;
  request.guidance_end = 0.7;
  HeldByRun run(request);
  for (int step = 0; step + 1 < request.step_count(); ++step) {
    const Stage* stage =
        find_stage(run.stages, kind_of_step(run.models, request, step, request.step_count()));
    ASSERT_NE(stage, nullptr) << step;
    run.generation.next();
    EXPECT_EQ(run.bytes(), stage->beside.kept_bytes + stage->beside.released_bytes +
                               stage->beside.added_bytes + run.inputs)
        << step;
  }
}

}  // namespace
}  // namespace semblance
