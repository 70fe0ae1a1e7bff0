#include "pipeline/few_steps.h"

#include <gtest/gtest.h>

namespace semblance {
namespace {

std::string told(const std::optional<FewSteps>& found) {
  if (!found) return "none";
  return found->name + ", " + std::string(found->scheduler) + " " + std::string(found->spacing) +
         " " + std::to_string(found->steps[1]) + " " +
         std::to_string(found->guidance).substr(0, 3) + " " +
         std::to_string(found->eta).substr(0, 1);
}

TEST(FewSteps, AreRecognisedByThePublishedNames) {
  for (const auto& [name, want] : std::initializer_list<std::pair<const char*, const char*>>{
           {"sdxl_lightning_4step_lora", "SDXL Lightning, euler trailing 4 0.0 0"},
           {"sdxl_lightning_8step_lora", "SDXL Lightning, euler trailing 8 0.0 0"},
           {"Hyper-SDXL-8steps-lora", "Hyper-SD, ddim trailing 8 0.0 0"},
           {"Hyper-SDXL-1step-lora", "Hyper-SD for 1 to 8 steps, tcd  4 0.0 1"},
           {"Hyper-SDXL-12steps-CFG-lora", "Hyper-SD with guidance, ddim trailing 12 5.0 0"},
           {"dmd2_sdxl_4step_lora_fp16", "DMD2, lcm trailing 4 0.0 0"},
           {"sd_xl_turbo_lora_v1", "SDXL Turbo, euler_a trailing 4 0.0 0"},
           {"LCM_LoRA_Weights_SDXL", "LCM, lcm  6 1.5 0"},
           {"lightning_storm", "none"},
           {"hyperrealistic", "none"},
           {"turbo_engine", "none"},
           {"footsteps", "none"},
           {"step", "none"},
           {"", "none"}}) {
    EXPECT_EQ(told(few_steps_of(std::string_view(name), true)), want) << name;
  }
  EXPECT_EQ(told(few_steps_of(std::string_view("dreamshaperXL_lightningDPMSDE"), false)),
            "SDXL Lightning, euler trailing 4 0.0 0");
}

TEST(FewSteps, AreRecognisedByFolders) {
  using Path = std::filesystem::path;
  EXPECT_EQ(told(few_steps_of(Path("/loras/lcm-lora-sdxl/pytorch_lora_weights.safetensors"), true)),
            "LCM, lcm  6 1.5 0");
  EXPECT_EQ(told(few_steps_of(
                Path("/cache/models--stabilityai--sdxl-turbo/snapshots/71153311d3dbb46851df1931"),
                false)),
            "SDXL Turbo, euler_a trailing 4 0.0 0");
  EXPECT_EQ(told(few_steps_of(Path("/turbo/of/a/user/loras/film.safetensors"), false)), "none");
  EXPECT_EQ(told(few_steps_of(Path("base"), false)), "none");
  EXPECT_EQ(told(few_steps_of(Path("/"), false)), "none");
  EXPECT_EQ(told(few_steps_of(Path(), false)), "none");
}

}  // namespace
}  // namespace semblance
