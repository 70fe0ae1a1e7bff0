// What a user asks for, and where the models lie.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace semblance {

/// Where the published files are (docs/models.md). Nothing is read until a Pipeline is opened.
struct ModelPaths {
  std::filesystem::path base;         // diffusers folder of an SDXL
  std::filesystem::path identitynet;  // folder with config.json and the ControlNet's weights
  std::filesystem::path adapter;      // ip-adapter.bin, or one safetensors
};

enum class Precision : std::uint8_t {
  kAuto,
  kF32,
  kBF16
};  // auto: bf16 where the processor computes it natively

/// The most bytes of a prompt and of a negative prompt, as UTF-8. The text encoders read its first
/// 77 tokens; the rest costs time and memory alone.
inline constexpr std::size_t kMostPromptBytes = std::size_t{64} << 10U;

/// One picture. Defaults are the published demo's where it has them.
struct Request {
  std::string prompt;
  std::optional<std::string>
      negative;   // absent is diffusers' None: zeroed where the checkpoint says so
  int width = 0;  // pixels, multiples of 8
  int height = 0;
  int steps = 30;
  float guidance = 5.0F;           // at 1 and below: no guidance, half the work
  float identity_strength = 0.8F;  // 0 to 5
  float adapter_strength = 0.8F;   // 0 to 5
  double identity_start = 0;       // fractions of the steps: IdentityNet is off outside
  double identity_end = 1;
  std::uint64_t seed = 0;
  bool vae_tiling = false;  // decode in tiles that are blended, as diffusers' enable_vae_tiling
};

/// Throws Error(kArgument) naming the option, its rule and what came: both prompts (UTF-8 of at
/// most kMostPromptBytes), sizes (multiples of 8, 8 to 8192), steps (1 to 1000), guidance (0 to
/// 100), strengths (0 to 5), window (0 <= start <= end <= 1).
void check(const Request& request);

}  // namespace semblance
