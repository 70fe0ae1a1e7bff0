#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/json.h"
#include "sampling/sampler.h"
#include "tests/support/errors.h"
#include "tests/support/golden.h"

namespace semblance {
namespace {

using testing::error_of;

std::vector<float> floats(const Json& json, std::string_view key) {
  std::vector<float> values;
  for (const double value : json.get_float_list(key)) values.push_back(static_cast<float>(value));
  return values;
}

// 64-bit FNV-1a, as in tools/oracle/sampling.py.
std::string hash_of(std::span<const float> values) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const std::byte byte : std::as_bytes(values)) {
    hash = (hash ^ static_cast<std::uint64_t>(byte)) * 0x100000001b3U;
  }
  return fmt::format("{:016x}", hash);
}

TEST(NoiseGolden, EqualsTorchToTheBit) {
  const auto rows = Json::load(testing::golden_path("sampling/noise.json")).items();
  ASSERT_GT(rows.size(), 300U);
  for (const Json& row : rows) {
    NoiseGenerator generator(std::stoull(row.get_string("seed")));
    const auto calls = row.get_int_list("calls");
    const auto hashes = row.get_string_list("hash");
    for (std::size_t i = 0; i < calls.size(); ++i) {
      std::vector<float> values(static_cast<std::size_t>(calls[i]));
      generator.randn(values);
      if (row.has("values")) {
        const auto want = row.child("values").items()[i].value().get<std::vector<float>>();
        ASSERT_EQ(values, want) << "seed " << row.get_string("seed");
      }
      ASSERT_EQ(hash_of(values), hashes[i])
          << "seed " << row.get_string("seed") << ", call " << i << " of " << calls[i];
    }
  }
}

TEST(Noise, OnlyTheLowHalfOfASeedCounts) {
  std::vector<float> a(20);
  std::vector<float> b(20);
  NoiseGenerator(7).randn(a);
  NoiseGenerator((std::uint64_t{1} << 40) + 7).randn(b);
  EXPECT_EQ(a, b);
}

TEST(EulerGolden, EqualsDiffusers) {
  const auto rows = Json::load(testing::golden_path("sampling/euler.json")).items();
  ASSERT_GT(rows.size(), 70U);
  for (const Json& row : rows) {
    SCOPED_TRACE(row.child("config").value().dump() + " steps " +
                 std::to_string(row.get_int("steps")));
    const SchedulerConfig config = SchedulerConfig::read(row.child("config"));
    const auto steps = static_cast<int>(row.get_int("steps"));
    const Schedule schedule = make_schedule(config, steps);
    const auto euler = default_sampler().make(config, steps);
    EXPECT_TRUE(std::ranges::equal(euler->timesteps(), schedule.timesteps));
    EXPECT_EQ(euler->init_noise_sigma(), schedule.init_noise_sigma);
    ASSERT_EQ(static_cast<std::int64_t>(schedule.timesteps.size()), row.get_int("count"));
    std::vector<float> timesteps;
    std::vector<float> sigmas;
    for (const std::int64_t index : row.get_int_list("indices")) {
      const auto i = static_cast<std::size_t>(index);
      if (i < schedule.timesteps.size()) timesteps.push_back(schedule.timesteps[i]);
      sigmas.push_back(schedule.sigmas[i]);
    }
    const std::vector<float> want_timesteps = floats(row, "timesteps");
    const std::vector<float> want_sigmas = floats(row, "sigmas");
    ASSERT_EQ(sigmas.size(), want_sigmas.size());
    // Rescaling subtracts square roots, which amplifies errors in their last bits.
    const bool rescaled = row.child("config").value().value("rescale_betas_zero_snr", false);
    const float bound = rescaled ? 1e-5F : 2.4e-7F;
    for (std::size_t i = 0; i < sigmas.size(); ++i) {
      // Relative to each sigma: the last steps are as small as their sigmas.
      ASSERT_LE(std::fabs(sigmas[i] - want_sigmas[i]), bound * want_sigmas[i]) << i;
    }
    const bool fractions =
        row.child("config").value().value("use_karras_sigmas", false) ||
        row.child("config").value().value("use_exponential_sigmas", false) ||
        row.child("config").value().value("timestep_type", "discrete") == "continuous";
    if (fractions) {
      testing::expect_close(timesteps, want_timesteps, {2e-4, 1e-6});
    } else {
      EXPECT_EQ(timesteps, want_timesteps);
    }
    EXPECT_FLOAT_EQ(schedule.init_noise_sigma,
                    static_cast<float>(row.get_float("init_noise_sigma")));
    if (!row.has("run")) continue;
    std::vector<float> latent = floats(row, "latent");
    // An error in a sigma's last bit scales with the first latent and persists.
    const double last_bit = 1e-6 * std::fmax(1.0, static_cast<double>(want_sigmas.front()) / 16);
    int number = 0;
    NoiseGenerator noise(0);
    for (const Json& step : row.child("run").items()) {
      std::vector<float> scaled = latent;
      euler->scale_model_input(number, scaled);
      testing::expect_close(scaled, floats(step, "scaled"), {last_bit, 1e-6});
      std::vector<float> output(latent.size());
      guide(floats(step, "uncond"), floats(step, "cond"), 5.0F, output);
      euler->step(number++, output, latent, noise);
      testing::expect_close(latent, floats(step, "latent"), {4 * last_bit, 1e-6});
    }
  }
}

TEST(Samplers, AreFoundByAllTheirNames) {
  for (const SamplerRow& row : samplers()) {
    for (const std::string_view name : {row.name, row.title, row.diffusers_class})
      EXPECT_EQ(find_sampler(name), &row) << name;
    for (const std::string_view name : row.aliases) EXPECT_EQ(find_sampler(name), &row) << name;
  }
  for (const char* name : {"EULER", "Euler Discrete", "k-euler"})
    EXPECT_EQ(find_sampler(name), &default_sampler()) << name;
  for (const char* name : {"", "euler a", "ddim"}) EXPECT_EQ(find_sampler(name), nullptr) << name;
}

TEST(Euler, RejectsStepsOutOfRange) {
  const SchedulerConfig config;
  EXPECT_EQ(error_of([&] { make_schedule(config, 0); }),
            "argument: cannot make a schedule: steps must be from 1 to 1000 (the model's training "
            "steps), got 0");
  EXPECT_EQ(error_of([&] { make_schedule(config, 1001); }),
            "argument: cannot make a schedule: steps must be from 1 to 1000 (the model's training "
            "steps), got 1001");
}

TEST(Euler, RejectsBetasWithoutASchedule) {
  EXPECT_EQ(error_of([] { make_schedule({.beta_start = 1e-12, .beta_end = 1e-12}, 10); }),
            "corrupt: cannot make a schedule: betas from 1e-12 to 1e-12 over 1000 training steps "
            "must give positive and finite noise levels");
  EXPECT_NE(error_of([] { make_schedule({.beta_start = 0.99, .beta_end = 0.99}, 10); }),
            "no error");
}

std::string config_error(std::string_view text) {
  return error_of([&] { SchedulerConfig::read(Json::parse("scheduler_config.json", text)); });
}

TEST(SchedulerConfig, RejectsUnsupportedValues) {
  const std::string prefix = "corrupt: cannot read scheduler_config.json: ";
  EXPECT_EQ(config_error("{}"), "no error");
  EXPECT_EQ(config_error("[]"), prefix + "it must be an object, got a list of 0");
  EXPECT_EQ(config_error(R"({"beta_schedule": "squaredcos_cap_v2"})"),
            prefix +
                "\"beta_schedule\" must be one of \"linear\", \"scaled_linear\" (Semblance "
                "supports no other), got \"squaredcos_cap_v2\" (string)");
  EXPECT_EQ(config_error(R"({"interpolation_type": "log_linear"})"),
            prefix +
                "\"interpolation_type\" must be \"linear\" (Semblance supports no other), got "
                "\"log_linear\" (string)");
  EXPECT_EQ(config_error(R"({"prediction_type": 3})"),
            prefix + "\"prediction_type\" must be a string, got 3 (integer)");
  EXPECT_EQ(config_error(R"({"use_beta_sigmas": true})"),
            prefix +
                "\"use_beta_sigmas\" must be false (Semblance does not support them), got true "
                "(boolean)");
  EXPECT_EQ(config_error(R"({"trained_betas": [0.1]})"),
            prefix +
                "\"trained_betas\" must be null (Semblance only supports linear and scaled_linear "
                "betas), got a list of 1");
  EXPECT_EQ(config_error(R"({"use_karras_sigmas": true, "use_exponential_sigmas": true})"),
            prefix +
                "\"use_exponential_sigmas\" must be false if \"use_karras_sigmas\" is "
                "true, got true (boolean)");
  EXPECT_EQ(config_error(R"({"beta_start": 1.5})"),
            prefix + "\"beta_start\" must be a number between 0 and 1, got 1.5 (number)");
  EXPECT_EQ(config_error(R"({"sigma_min": 0})"),
            prefix + "\"sigma_min\" must be a number above 0, got 0 (integer)");
  EXPECT_EQ(config_error(R"({"num_train_timesteps": 0})"),
            prefix +
                "\"num_train_timesteps\" must be an integer from 1 to 1000000, got 0 "
                "(integer)");
}

}  // namespace
}  // namespace semblance
