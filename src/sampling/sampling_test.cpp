// Finding samplers by name, reading scheduler_config.json, and rejected combinations.
#include "sampling/sampling_test.h"

#include <algorithm>

namespace semblance {
namespace {

using nlohmann::json;
using testing::error_of;
using testing::sdxl;

TEST(Samplers, AreFoundByAllTheirNames) {
  for (const SamplerRow& row : samplers()) {
    for (const std::string_view name : {row.name, row.title}) {
      EXPECT_EQ(find_sampler(name), &row) << name;
    }
    for (const std::string_view name : row.aliases) EXPECT_EQ(find_sampler(name), &row) << name;
    ASSERT_NE(find_sampler(row.diffusers_class), nullptr) << row.diffusers_class;
    EXPECT_EQ(find_sampler(row.diffusers_class)->diffusers_class, row.diffusers_class);
  }
  for (const char* name : {"EULER", "Euler Discrete", "k-euler"})
    EXPECT_EQ(find_sampler(name), &default_sampler()) << name;
  EXPECT_EQ(find_sampler("DPMSolverMultistepScheduler")->name, "dpmpp_2m");
  EXPECT_EQ(find_sampler("dpm++ 2m sde")->name, "dpmpp_2m_sde");
  for (const char* name : {"", "euler b", "DPM++ 2M Karras"})
    EXPECT_EQ(find_sampler(name), nullptr) << name;
  EXPECT_TRUE(sampler_titles().starts_with("Euler, Euler a, Heun, DPM2, LMS, DPM++ 2M, "));
}

TEST(Samplers, CurvesAreFoundByAllTheirNames) {
  for (const CurveRow& row : curves()) {
    for (const std::string_view name : {row.name, row.title}) EXPECT_EQ(find_curve(name), &row);
    for (const std::string_view name : row.aliases) EXPECT_EQ(find_curve(name), &row) << name;
  }
  EXPECT_EQ(find_curve("sgmuniform")->curve, Curve::kSgmUniform);
  EXPECT_EQ(find_curve("normal")->spacing, Spacing::kLinspace);
  EXPECT_EQ(find_curve("KL Optimal"), nullptr);
  EXPECT_EQ(name_of(Curve::kAys), "ays");
  EXPECT_EQ(curve_names(),
            "default, karras, exponential, beta, sgm_uniform, simple, ays, uniform, ddim");
}

/// AUTOMATIC1111's titles, old and new.
TEST(Samplers, TitlesOfTheWebUiAreMapped) {
  struct Title {
    const char* title;
    const char* sampler;
    const char* curve = "";
    bool is_nearest = false;
  };
  constexpr Title kTitles[]{
      {"DPM++ 2M", "dpmpp_2m"},
      {"DPM++ SDE", "dpmpp_sde"},
      {"DPM++ 2M SDE", "dpmpp_2m_sde"},
      {"DPM++ 2M SDE Heun", "dpmpp_2m_sde", "", true},
      {"DPM++ 2S a", "dpmpp_2s", "", true},
      {"DPM++ 3M SDE", "dpmpp_3m_sde"},
      {"Euler a", "euler_a"},
      {"Euler", "euler"},
      {"LMS", "lms"},
      {"Heun", "heun"},
      {"DPM2", "kdpm2"},
      {"DPM2 a", "kdpm2", "", true},
      {"DPM fast", "dpmpp_2s", "", true},
      {"DPM adaptive", "dpmpp_2s", "", true},
      {"Restart", "heun", "", true},
      {"DDIM", "ddim"},
      {"DDIM CFG++", "ddim", "", true},
      {"PLMS", "pndm"},
      {"UniPC", "unipc"},
      {"LCM", "lcm"},
      {"DPM++ 2M Karras", "dpmpp_2m", "karras"},
      {"DPM++ SDE Karras", "dpmpp_sde", "karras"},
      {"DPM++ 2M SDE Exponential", "dpmpp_2m_sde", "exponential"},
      {"DPM++ 2M SDE Karras", "dpmpp_2m_sde", "karras"},
      {"DPM++ 2M SDE Heun Karras", "dpmpp_2m_sde", "karras", true},
      {"DPM++ 2M SDE Heun Exponential", "dpmpp_2m_sde", "exponential", true},
      {"DPM++ 3M SDE Karras", "dpmpp_3m_sde", "karras"},
      {"DPM++ 3M SDE Exponential", "dpmpp_3m_sde", "exponential"},
      {"LMS Karras", "lms", "karras"},
      {"DPM2 Karras", "kdpm2", "karras"},
      {"DPM2 a Karras", "kdpm2", "karras", true},
      {"DPM++ 2S a Karras", "dpmpp_2s", "karras", true},
      {"Euler SGM Uniform", "euler", "sgm_uniform"},  // combined as in other programs
      {"k_dpmpp_2m Align Your Steps", "dpmpp_2m", "ays"},
  };
  for (const auto& [title, sampler, curve, is_nearest] : kTitles) {
    const auto choice = find_choice(title);
    ASSERT_TRUE(choice) << title;
    EXPECT_EQ(choice->sampler->name, sampler) << title;
    EXPECT_EQ(choice->curve == nullptr ? "" : choice->curve->name, curve) << title;
    EXPECT_EQ(choice->is_nearest, is_nearest) << title;
  }
  for (const char* title : {"", "Karras", "Euler b", "Euler b Karras"})
    EXPECT_FALSE(find_choice(title)) << title;
}

TEST(Samplers, AreSelectedByAModelsFile) {
  const auto named = [](const char* cls, const json& more = json::object()) {
    json config{{"_class_name", cls}};
    config.update(more);
    const SamplerRow* row = find_sampler(sdxl(config));
    return row == nullptr ? "none" : std::string(row->name);
  };
  const char* multistep = "DPMSolverMultistepScheduler";
  EXPECT_EQ(named("EulerDiscreteScheduler"), "euler");
  EXPECT_EQ(named(multistep), "dpmpp_2m");
  EXPECT_EQ(named(multistep, {{"solver_order", 3}}), "dpmpp_3m");
  EXPECT_EQ(named(multistep, {{"algorithm_type", "sde-dpmsolver++"}}), "dpmpp_2m_sde");
  EXPECT_EQ(named(multistep, {{"algorithm_type", "sde-dpmsolver++"}, {"solver_order", 3}}),
            "dpmpp_3m_sde");
  EXPECT_EQ(named("UniPCMultistepScheduler"), "unipc");
  EXPECT_EQ(named("TCDScheduler"), "tcd");
  EXPECT_EQ(named("IPNDMScheduler"), "none");
}

TEST(Samplers, TellModelsForFewSteps) {
  const auto is_few = [](const char* cls, const json& more = json::object()) {
    json config{{"_class_name", cls}};
    config.update(more);
    return is_for_few_steps(sdxl(config));
  };
  const json trailing{{"timestep_spacing", "trailing"}};
  EXPECT_TRUE(is_few("LCMScheduler"));
  EXPECT_TRUE(is_few("TCDScheduler"));
  EXPECT_TRUE(is_few("EulerAncestralDiscreteScheduler", trailing));  // as SDXL Turbo's file
  EXPECT_FALSE(is_few("EulerDiscreteScheduler"));
  EXPECT_FALSE(is_few("IPNDMScheduler"));
  EXPECT_FALSE(is_few("EulerDiscreteScheduler",
                      {{"timestep_spacing", "trailing"}, {"prediction_type", "v_prediction"}}));
  EXPECT_FALSE(is_few("EulerDiscreteScheduler",
                      {{"timestep_spacing", "trailing"}, {"rescale_betas_zero_snr", true}}));
}

/// As with from_config, a class reads its own keys from any class's file.
TEST(MakeSampler, ReadsTheKeysOfItsClass) {
  const json karras{{"use_karras_sigmas", true}};
  const json zero_snr{{"rescale_betas_zero_snr", true}, {"timestep_spacing", "linspace"}};
  const auto first_sigma = [](const char* name, const json& config) {
    return make_sampler(*find_sampler(name), sdxl(config), 5)->sigma(1);
  };
  EXPECT_NE(first_sigma("euler", karras), first_sigma("euler", json::object()));
  EXPECT_EQ(first_sigma("euler_a", karras), first_sigma("euler_a", json::object()));
  EXPECT_EQ(first_sigma("ddim", karras), first_sigma("ddim", json::object()));
  EXPECT_NE(first_sigma("euler_a", zero_snr),
            first_sigma("euler_a", {{"timestep_spacing", "linspace"}}));
  EXPECT_EQ(first_sigma("heun", zero_snr), first_sigma("heun", {{"timestep_spacing", "linspace"}}));
  EXPECT_EQ(first_sigma("dpmpp_2s", {{"timestep_spacing", "trailing"}}),
            first_sigma("dpmpp_2s", json::object()));
}

TEST(MakeSampler, OptionsOverrideTheFile) {
  const auto sigma = [](const char* name, const json& config, const SamplerOptions& options) {
    return make_sampler(*find_sampler(name), sdxl(config), 5, options)->sigma(1);
  };
  EXPECT_EQ(sigma("euler", json::object(), {.curve = Curve::kKarras}),
            sigma("euler", {{"use_karras_sigmas", true}}, {}));
  EXPECT_EQ(sigma("euler", {{"use_karras_sigmas", true}}, {.curve = Curve::kDefault}),
            sigma("euler", json::object(), {}));
  EXPECT_EQ(sigma("dpmpp_2m", json::object(), {.spacing = Spacing::kTrailing}),
            sigma("dpmpp_2m", {{"timestep_spacing", "trailing"}}, {}));
  EXPECT_EQ(
      sigma("dpmpp_2m", {{"timestep_spacing", "trailing"}}, {.zero_terminal_snr = true}),
      sigma("dpmpp_2m", {{"timestep_spacing", "trailing"}, {"rescale_betas_zero_snr", true}}, {}));
  const auto v = make_sampler(default_sampler(), sdxl(), 5, {.prediction = Prediction::kV});
  std::vector<float> dst(1);
  v->predict(0, std::vector{0.0F}, std::vector{1.0F}, dst);
  EXPECT_NEAR(dst[0], -v->sigma(0) / std::hypot(1.0F, v->sigma(0)), 1e-6);
}

TEST(MakeSampler, RejectsUnsupportedOptions) {
  const auto refusal = [](const char* name, const SamplerOptions& options,
                          const json& config = json::object()) {
    return error_of([&] { make_sampler(*find_sampler(name), sdxl(config), 5, options); });
  };
  const std::string prefix = "argument: cannot use ";
  for (const char* name : {"ddim", "pndm", "lcm", "tcd"}) {
    EXPECT_EQ(refusal(name, {.curve = Curve::kKarras}),
              prefix + std::string(find_sampler(name)->title) +
                  ": it has no noise level curves, got karras\n  use the default curve or another "
                  "sampler");
  }
  EXPECT_EQ(refusal("dpmpp_2s", {.spacing = Spacing::kTrailing}),
            prefix + "DPM++ 2S: its timestep spacing is fixed\n  omit the spacing");
  EXPECT_EQ(
      refusal("heun", {.zero_terminal_snr = true}),
      prefix +
          "Heun: it does not support zero terminal SNR\n  use Euler, Euler a, DPM++ 2M, UniPC, "
          "DDIM, LCM or TCD");
  EXPECT_EQ(refusal("kdpm2", {.prediction = Prediction::kSample}),
            prefix +
                "DPM2: expected a model that predicts epsilon or v, got one that predicts the "
                "sample\n  use "
                "another sampler");
  EXPECT_EQ(refusal("ddim", {.eta = 1.5}),
            prefix + "DDIM: eta must be from 0 to 1, got 1.5\n  use 0 for steps without new noise");
  EXPECT_EQ(refusal("euler", {.eta = 0.5}),
            prefix + "Euler: it has no parameter eta, got 0.5\n  omit eta, or use DDIM or TCD");
  EXPECT_EQ(
      refusal("ddim", {.spacing = Spacing::kTrailing, .zero_terminal_snr = true}),
      "argument: cannot make the sampler: zero terminal SNR leaves no signal at timestep 999, "
      "which needs a model with v prediction\n  use prediction v or another spacing");
  EXPECT_EQ(refusal("pndm", {}, {{"skip_prk_steps", false}}),
            prefix +
                "PNDM: the model's scheduler config sets skip_prk_steps false (Runge-Kutta "
                "warm-up), which "
                "Semblance does not support\n  set it to true or use another sampler");
  EXPECT_EQ(
      refusal("unipc", {}, {{"lower_order_final", false}}),
      prefix +
          "UniPC: the model's scheduler config sets lower_order_final false, but a last step to 0 "
          "must have order 1\n  use another sampler");
}

TEST(MakeSampler, RejectsUnsupportedSolvers) {
  const auto refusal = [](const char* name, const json& config) {
    return error_of([&] { make_sampler(*find_sampler(name), sdxl(config), 5); });
  };
  const auto text = [](const char* title, const std::string& what) {
    return "argument: cannot use " + std::string(title) + ": the model's scheduler config sets " +
           what + ", which Semblance does not support\n  use another sampler";
  };
  EXPECT_EQ(refusal("dpmpp_2m", {{"thresholding", true}}), text("DPM++ 2M", "thresholding true"));
  EXPECT_EQ(refusal("dpmpp_2m", {{"solver_type", "heun"}}), text("DPM++ 2M", "solver_type heun"));
  EXPECT_EQ(refusal("dpmpp_2m", {{"use_lu_lambdas", true}}),
            text("DPM++ 2M", "use_lu_lambdas true"));
  EXPECT_EQ(refusal("unipc", {{"predict_x0", false}}), text("UniPC", "predict_x0 false"));
  EXPECT_EQ(refusal("deis", {{"algorithm_type", "dpmsolver"}}),
            text("DEIS", "algorithm_type dpmsolver"));
  EXPECT_EQ(refusal("unipc", {{"_class_name", "UniPCMultistepScheduler"}, {"solver_order", 3}}),
            "argument: cannot use UniPC: the model's scheduler config sets solver_order 3, which "
            "Semblance does not support here\n  use another sampler");
  // Other samplers ignore these keys, as in diffusers.
  EXPECT_EQ(refusal("euler", {{"thresholding", true}, {"use_lu_lambdas", true}}), "no error");
  EXPECT_EQ(refusal("unipc", {{"solver_order", 3}}), "no error");
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
  EXPECT_EQ(config_error(R"({"trained_betas": [0.1]})"),
            prefix +
                "\"trained_betas\" must be null (Semblance only supports linear and "
                "scaled_linear betas), got a list of 1");
  EXPECT_EQ(config_error(R"({"use_karras_sigmas": true, "use_beta_sigmas": true})"),
            prefix +
                "\"use_beta_sigmas\" must be false if \"use_karras_sigmas\" is true, got true "
                "(boolean)");
  for (const std::string name : {"FlowMatchEulerDiscreteScheduler", "EDMEulerScheduler"}) {
    EXPECT_EQ(config_error(R"({"_class_name": ")" + name + "\"}"),
              prefix +
                  "\"_class_name\" must be a scheduler of models that predict the noise or its "
                  "velocity, got \"" +
                  name + "\" (string)");
  }
  EXPECT_EQ(config_error(R"({"beta_start": 1.5})"),
            prefix + "\"beta_start\" must be a number between 0 and 1, got 1.5 (number)");
  EXPECT_EQ(config_error(R"({"sigma_min": 0})"),
            prefix + "\"sigma_min\" must be a number above 0, got 0 (integer)");
  EXPECT_EQ(config_error(R"({"num_train_timesteps": 0})"),
            prefix +
                "\"num_train_timesteps\" must be an integer from 1 to 1000000, got 0 "
                "(integer)");
  EXPECT_EQ(config_error(R"({"solver_order": 4})"),
            prefix + "\"solver_order\" must be an integer from 1 to 3, got 4 (integer)");
  EXPECT_EQ(config_error(R"({"thresholding": "yes"})"),
            prefix + "\"thresholding\" must be true or false, got \"yes\" (string)");
}

}  // namespace
}  // namespace semblance
