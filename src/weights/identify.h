// Identifies a weight file from its tensors' names and shapes and its metadata, without reading any
// tensor. Sources: diffusers' infer_diffusers_model_type, ComfyUI's supported_models.py, modelspec,
// kohya's metadata keys.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "weights/weight_map.h"

namespace semblance {

enum class FileKind : std::uint8_t {
  kUnknown,
  kCheckpoint,  // a UNet, and a VAE or text encoders
  kUNet,
  kVae,
  kTextEncoders,  // one or both, without a UNet
  kLora,
  kControlNet,
  kFaceAdapter,  // InstantID's ip-adapter.bin, or another IP-Adapter
  kTextualInversion,
  kOther,  // recognised but not used here; see `name`
};

enum class ModelFamily : std::uint8_t {
  kUnknown,
  kSdxl,
  kSdxlRefiner,
  kSd1,
  kSd2,
  kSd3,
  kFlux,
  kOther,
};

/// What a UNet predicts.
enum class UNetPrediction : std::uint8_t { kUnsaid, kEpsilon, kVelocity, kEdm };

/// A component of a model and its tensors' prefix in a file.
struct FilePart {
  std::string_view component;  // "unet", "vae", "text_encoder", "text_encoder_2", "controlnet"
  std::string_view prefix;
};

struct FileIdentity {
  FileKind kind = FileKind::kUnknown;
  ModelFamily family = ModelFamily::kUnknown;
  std::string name = "an unknown file";  // for messages: "an SDXL checkpoint"
  std::vector<FilePart> parts;           // each component once
  // Of a UNet:
  std::int64_t in_channels = 0;   // 4; 9 for inpainting, 8 for editing by instruction
  bool has_mid_attention = true;  // not in SSD-1B
  bool is_lcm = false;            // takes the guidance as an input
  bool is_playground = false;
  bool is_cosxl = false;
  UNetPrediction prediction = UNetPrediction::kUnsaid;
  bool zero_snr = false;  // zero terminal SNR: its schedule ends in pure noise

  bool has(std::string_view component) const;
};

FileIdentity identify(const WeightFile& file);

/// Why a file cannot be used as the base model or its UNet: "it is ... : ..."; empty if it can. The
/// rules are those of src/models.
std::string reason_against_base(const FileIdentity& identity);

}  // namespace semblance
