// Generation::predicted(): what a preview shows.
#include <gtest/gtest.h>

#include "core/json.h"
#include "face/identity.h"
#include "memory/file.h"
#include "pipeline/models_test.h"
#include "pipeline/pipeline.h"
#include "sampling/sampler.h"
#include "tests/support/golden.h"

namespace semblance {
namespace {

using testing::expect_close;
using testing::golden_path;

const std::filesystem::path kCheckpoint = golden_path("pipeline/fp16_published/checkpoint");

class Predicted : public ::testing::Test {
 protected:
  Predicted() : pipeline_(testing::models_in(kCheckpoint), {.precision = Precision::kF32}) {
    request_.prompt = "a man";
    request_.width = 64;
    request_.height = 48;
    request_.steps = 3;
  }
  Generation start() {
    const Identity person =
        read_identity(golden_path("pipeline/fp16_published/plain/identity.json"));
    return pipeline_.start(request_, person.embedding, scale_keypoints(person, {64, 48}));
  }
  std::unique_ptr<Sampler> sampler() const {
    const auto path = kCheckpoint / "base/scheduler/scheduler_config.json";
    return make_sampler(
        default_sampler(),
        SchedulerConfig::read(Json::parse("scheduler", read_small_file(path, 1U << 16U))),
        request_.step_count());
  }

  Pipeline pipeline_;
  Request request_;
};

/// An Euler step moves along the noise: with x at noise level a before and y at noise level b after
/// it, the noise is (y - x) / (b - a), and the latent without it x - a * noise.
TEST_F(Predicted, IsTheLatentWithoutTheLastStepsNoise) {
  Generation generation = start();
  const auto euler = sampler();
  ASSERT_EQ(euler->evaluations(), 3);
  EXPECT_EQ(generation.predicted(), generation.latent());
  for (int step = 0; step < 2; ++step) {
    const std::vector<float> x = generation.latent();
    ASSERT_TRUE(generation.next());
    const std::vector<float> y = generation.latent();
    const float a = euler->sigma(step), b = euler->sigma(step + 1);
    std::vector<float> clean(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) clean[i] = x[i] - a * (y[i] - x[i]) / (b - a);
    expect_close(generation.predicted(), clean);
    EXPECT_NE(generation.predicted(), y);
  }
}

TEST_F(Predicted, IsTheLatentAfterTheLastStep) {
  Generation generation = start();
  while (generation.next()) continue;
  EXPECT_EQ(generation.step(), 3);
  EXPECT_EQ(generation.predicted(), generation.latent());
}

TEST_F(Predicted, IsTheLatentOfASingleStep) {
  request_.steps = 1;
  Generation generation = start();
  const std::vector<float> x = generation.latent();
  ASSERT_TRUE(generation.next());
  EXPECT_NE(generation.latent(), x);
  EXPECT_EQ(generation.predicted(), generation.latent());
}

TEST_F(Predicted, IsTheLatentOfAResumedRunBeforeItsFirstStep) {
  Generation generation = start();
  generation.next();
  Generation resumed = pipeline_.resume(generation.saved());
  EXPECT_EQ(resumed.predicted(), resumed.latent());
  EXPECT_EQ(resumed.latent(), generation.latent());
  generation.next();
  resumed.next();
  EXPECT_EQ(resumed.predicted(), generation.predicted());
}

}  // namespace
}  // namespace semblance
