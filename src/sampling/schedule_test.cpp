// Compares timesteps and noise levels with diffusers and with other front ends.
#include "sampling/schedule.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "sampling/beta_distribution.h"
#include "sampling/sampling_test.h"

namespace semblance {
namespace {

using testing::error_of;
using testing::expect_close;
using testing::floats;
using testing::GoldenRow;
using testing::sdxl;

TEST(ScheduleGolden, EqualsDiffusers) {
  const std::vector<GoldenRow> rows = testing::golden_rows("schedules");
  ASSERT_GT(rows.size(), 250U);
  for (const GoldenRow& golden : rows) {
    SCOPED_TRACE(golden.title);
    const Json& row = golden.row;
    const auto sampler = make_sampler(*golden.sampler, golden.config, golden.steps);
    ASSERT_EQ(sampler->evaluations(), row.get_int("count"));
    std::vector<float> timesteps;
    std::vector<float> sigmas;
    for (const std::int64_t i : row.child("timesteps").get_int_list("at")) {
      timesteps.push_back(sampler->timesteps()[static_cast<std::size_t>(i)]);
      const float sigma = sampler->sigma(static_cast<int>(i));
      sigmas.push_back(std::isinf(sigma) ? -1 : sigma);
    }
    const std::vector<float> want_timesteps = floats(row.child("timesteps"), "values");
    const std::vector<float> want_sigmas = floats(row.child("sigmas"), "values");
    ASSERT_EQ(sigmas.size(), want_sigmas.size());
    // Rescaling subtracts square roots, which amplifies errors in their last bits.
    const float bound = golden.config.rescale_betas_zero_snr ? 1e-5F : 4e-7F;
    for (std::size_t i = 0; i < sigmas.size(); ++i) {
      // Relative to each sigma: the last steps are as small as their sigmas.
      ASSERT_LE(std::fabs(sigmas[i] - want_sigmas[i]), bound * std::fabs(want_sigmas[i])) << i;
    }
    const bool whole =
        std::ranges::all_of(want_timesteps, [](float t) { return t == std::floor(t); });
    if (whole) {
      EXPECT_EQ(timesteps, want_timesteps);
    } else {
      expect_close(timesteps, want_timesteps, {3e-4, 1e-6});
    }
    EXPECT_FLOAT_EQ(sampler->init_noise_sigma(), static_cast<float>(row.get_float("init")));
  }
}

struct Expected {
  const char* sampler;
  SamplerOptions options;
  std::vector<float> timesteps;
  std::vector<float> sigmas;
};

/// Tables of AUTOMATIC1111 and ComfyUI, which differ in the sixth digit because their betas are
/// float64.
TEST(Schedule, MatchesTheCurvesOfFrontEnds) {
  const std::vector<Expected> all{
      {"euler",
       {.curve = Curve::kSgmUniform},
       {999, 799.2F, 599.4F, 399.6F, 199.8F},
       {14.61464F, 5.092408F, 2.279731F, 1.162865F, .571189F}},
      {"dpmpp_2m",
       {.curve = Curve::kSgmUniform},
       {999, 799.2F, 599.4F, 399.6F, 199.8F},
       {14.61464F, 5.092408F, 2.279731F, 1.162865F, .571189F}},
      {"euler",
       {.curve = Curve::kSimple},
       {999, 799, 599, 399, 199},
       {14.614647F, 5.087765F, 2.276464F, 1.160579F, .569285F}},
      {"euler_a",
       {.curve = Curve::kKarras, .spacing = Spacing::kLinspace},
       {999, 785.954F, 427.4898F, 58.8915F, 0},
       {14.614647F, 4.796544F, 1.274105F, .247952F, .029168F}},
      {"euler",
       {.curve = Curve::kBeta, .spacing = Spacing::kLinspace},
       {999, 966.495F, 874.6619F, 634.552F, 0},
       {14.614647F, 12.052264F, 7.321907F, 2.591550F, .029168F}},
  };
  for (const Expected& want : all) {
    const auto sampler = make_sampler(*find_sampler(want.sampler), sdxl(), 5, want.options);
    std::vector<float> sigmas;
    for (int i = 0; i < sampler->evaluations(); ++i) sigmas.push_back(sampler->sigma(i));
    SCOPED_TRACE(std::string(want.sampler) + " " +
                 std::string(name_of(want.options.curve.value_or(Curve::kDefault))));
    expect_close(sigmas, want.sigmas, {2e-5, 1e-6});
    const std::vector<float> timesteps(sampler->timesteps().begin(), sampler->timesteps().end());
    expect_close(timesteps, want.timesteps, {0.01, 0});
  }
}

TEST(Schedule, InterpolatesAlignYourSteps) {
  const auto levels = [](int steps) {
    const auto sampler = make_sampler(default_sampler(), sdxl(), steps, {.curve = Curve::kAys});
    std::vector<float> sigmas;
    for (int i = 0; i < sampler->evaluations(); ++i) sigmas.push_back(sampler->sigma(i));
    return sigmas;
  };
  const std::vector<float> table{14.615F, 6.315F, 3.771F, 2.181F, 1.342F, .862F,
                                 .555F,   .380F,  .234F,  .113F,  .029F};
  expect_close(levels(11), table, {1e-6, 0});
  EXPECT_EQ(levels(1), std::vector<float>{14.615F});
  // With 21 levels, every second one is in the table; the others are geometric means.
  const std::vector<float> finer = levels(21);
  for (std::size_t i = 0; i < 21; ++i) {
    const float want = i % 2 == 0 ? table[i / 2] : std::sqrt(table[i / 2] * table[i / 2 + 1]);
    EXPECT_NEAR(finer[i], want, 2e-6 * want) << i;
  }
}

/// For 30 steps, ComfyUI's simple differs from trailing spacing, which rounds.
TEST(Schedule, SimpleUsesEveryNthTrainedLevel) {
  const auto simple = make_sampler(default_sampler(), sdxl(), 30, {.curve = Curve::kSimple});
  EXPECT_EQ(simple->timesteps()[1], 966);
  EXPECT_EQ(simple->timesteps()[2], 933);
  const auto trailing =
      make_sampler(default_sampler(), sdxl(), 30, {.spacing = Spacing::kTrailing});
  EXPECT_EQ(trailing->timesteps()[2], 932);
}

TEST(BetaDistribution, MatchesScipy) {
  // scipy.stats.beta.ppf(p, .6, .6)
  const std::array<std::array<double, 2>, 9> want{{{0, 0},
                                                   {1e-9, 1.85588246249141e-15},
                                                   {.01, 0.0008612388215429059},
                                                   {.25, 0.17568037865269498},
                                                   {.5, .5},
                                                   {.6, 0.6372990092467856},
                                                   {.75, 0.824319621347305},
                                                   {.999, 0.9999814412614826},
                                                   {1, 1}}};
  for (const auto& [p, x] : want) EXPECT_NEAR(beta_quantile(p), x, 1e-13 + 1e-13 * x) << p;
}

TEST(Schedule, RejectsStepsOutOfRange) {
  const auto refusal = [](const char* name, int steps) {
    return error_of([&] { make_sampler(*find_sampler(name), sdxl(), steps); });
  };
  const std::string text = "argument: cannot make a schedule: steps must be from 1 to ";
  EXPECT_EQ(refusal("euler", 0), text + "1000 (the model's training steps), got 0");
  EXPECT_EQ(refusal("euler", 1001), text + "1000 (the model's training steps), got 1001");
  EXPECT_EQ(refusal("dpmpp_2m", 1000), text + "999 (the model's training steps), got 1000");
  EXPECT_EQ(refusal("lcm", 51),
            text + "50 (the model was distilled for, over 1000 training steps), got 51");
  EXPECT_EQ(
      refusal("ddim", 1000),
      "argument: cannot make the sampler: 1000 steps would start at timestep 1000, but the model "
      "has timesteps 0 to 999\n  use fewer steps or another spacing");
  EXPECT_EQ(
      refusal("lms", 1000),
      "argument: cannot make the sampler: two of 1000 steps have the same noise level\n  use fewer "
      "steps or another sampler");
  SchedulerConfig same = sdxl();
  same.sigma_min = same.sigma_max = 1;
  EXPECT_EQ(
      error_of(
          [&] { make_sampler(*find_sampler("dpmpp_2m"), same, 5, {.curve = Curve::kKarras}); }),
      "argument: cannot make the sampler: two of 5 steps have the same noise level\n  use fewer "
      "steps or another sampler");
}

TEST(Schedule, RejectsBetasWithoutASchedule) {
  const auto refusal = [](double beta) {
    SchedulerConfig config;
    config.beta_start = config.beta_end = beta;
    return error_of([&] { make_sampler(default_sampler(), config, 10); });
  };
  EXPECT_EQ(refusal(1e-12),
            "corrupt: cannot make a schedule: betas from 1e-12 to 1e-12 over 1000 training steps "
            "must give positive and finite noise levels");
  EXPECT_NE(refusal(0.99), "no error");
}

TEST(Schedule, RejectsExtremeLevels) {
  const auto refusal = [](double least, double largest) {
    SchedulerConfig config = sdxl();
    config.sigma_min = least;
    config.sigma_max = largest;
    return error_of([&] { make_sampler(default_sampler(), config, 3, {.curve = Curve::kKarras}); });
  };
  EXPECT_EQ(
      refusal(0.1, 1e300),
      "corrupt: cannot make a schedule: noise levels must be from 1e-06 to 1000000, got 1e+300 "
      "(from the betas, sigma_min and sigma_max in the model's scheduler config)");
  EXPECT_NE(refusal(1e-300, 10), "no error");
  EXPECT_EQ(refusal(1e-5, 1e5), "no error");
}

}  // namespace
}  // namespace semblance
