#include "weights/identify.h"

#include <algorithm>
#include <array>
#include <optional>

#include "core/error.h"
#include "weights/audit.h"

namespace semblance {
namespace {

/// How a component is found: by any tensor under a prefix or, without a prefix, by one tensor that
/// no other kind of file has.
struct PartRow {
  std::string_view component;
  std::string_view prefix;
  std::string_view tensor = {};
};
constexpr PartRow kParts[] = {
    {"unet", "model.diffusion_model."},
    {"unet", "unet."},
    {"unet", "", "out.2.weight"},
    {"unet", "", "conv_norm_out.weight"},
    {"vae", "first_stage_model."},
    {"vae", "vae."},
    {"vae", "", "decoder.conv_in.weight"},
    {"text_encoder", "conditioner.embedders.0.transformer."},
    {"text_encoder", "cond_stage_model.transformer."},
    {"text_encoder", "text_encoders.clip_l.transformer."},
    {"text_encoder", "text_encoder."},
    {"text_encoder_2", "conditioner.embedders.1.model."},
    {"text_encoder_2", "cond_stage_model.1.model."},
    {"text_encoder_2", "cond_stage_model.1.transformer."},
    {"text_encoder_2", "text_encoders.clip_g.transformer."},
    {"text_encoder_2", "text_encoder_2."},
    {"text_encoder_2", "", "positional_embedding"},
};

/// Files identified by one tensor ('*' matches any characters). The first matching row counts.
struct KnownRow {
  std::string_view tensor;
  FileKind kind;
  ModelFamily family;
  std::string_view name;
};
constexpr KnownRow kKnown[] = {
    {"*.lora_down.weight", FileKind::kLora, ModelFamily::kUnknown, "LoRA"},
    {"*.lora_A.weight", FileKind::kLora, ModelFamily::kUnknown, "LoRA"},
    {"*.lora_A.default.weight", FileKind::kLora, ModelFamily::kUnknown, "LoRA"},
    {"*lora.down.weight", FileKind::kLora, ModelFamily::kUnknown, "LoRA"},
    {"*.lora_linear_layer.down.weight", FileKind::kLora, ModelFamily::kUnknown, "LoRA"},
    {"*.hada_w1_a", FileKind::kLora, ModelFamily::kUnknown, "LoHa"},
    {"*.lokr_w1*", FileKind::kLora, ModelFamily::kUnknown, "LoKr"},
    {"*.oft_blocks", FileKind::kLora, ModelFamily::kUnknown, "OFT adapter"},
    {"*.on_input", FileKind::kLora, ModelFamily::kUnknown, "IA3 adapter"},
    {"lora_unet_*.diff", FileKind::kLora, ModelFamily::kUnknown, "LoRA of differences"},
    {"lllite_*", FileKind::kOther, ModelFamily::kSdxl, "ControlLLLite for SDXL"},
    {"image_proj.*", FileKind::kFaceAdapter, ModelFamily::kUnknown, "face or picture adapter"},
    {"ip_adapter.*", FileKind::kFaceAdapter, ModelFamily::kUnknown, "face or picture adapter"},
    {"lora_controlnet", FileKind::kOther, ModelFamily::kSdxl, "Control-LoRA of SDXL"},
    {"control_model.*", FileKind::kControlNet, ModelFamily::kUnknown, "ControlNet"},
    {"input_hint_block.0.weight", FileKind::kControlNet, ModelFamily::kUnknown, "ControlNet"},
    {"controlnet_cond_embedding.conv_in.weight", FileKind::kControlNet, ModelFamily::kUnknown,
     "ControlNet"},
    {"controlnet_x_embedder.weight", FileKind::kControlNet, ModelFamily::kFlux,
     "ControlNet of Flux"},
    {"adapter.body.0.*", FileKind::kOther, ModelFamily::kUnknown, "T2I-Adapter"},
    {"clip_g", FileKind::kTextualInversion, ModelFamily::kSdxl, "textual inversion of SDXL"},
    {"clip_l", FileKind::kTextualInversion, ModelFamily::kUnknown, "textual inversion"},
    {"emb_params", FileKind::kTextualInversion, ModelFamily::kSd1,
     "textual inversion of Stable Diffusion 1 or 2"},
    {"string_to_param.*", FileKind::kTextualInversion, ModelFamily::kSd1,
     "textual inversion of Stable Diffusion 1 or 2"},
    {"*double_blocks.0.img_attn.*", FileKind::kOther, ModelFamily::kFlux, "Flux model"},
    {"*single_transformer_blocks.0.*", FileKind::kOther, ModelFamily::kFlux, "Flux model"},
    {"*joint_blocks.0.*", FileKind::kOther, ModelFamily::kSd3, "Stable Diffusion 3 model"},
    {"*motion_modules.*", FileKind::kOther, ModelFamily::kOther, "motion module of AnimateDiff"},
    {"encoder.block.0.layer.0.SelfAttention.*", FileKind::kOther, ModelFamily::kOther,
     "T5 text encoder"},
    {"enc.blk.0.*", FileKind::kOther, ModelFamily::kOther, "T5 text encoder"},
    {"vision_model.*", FileKind::kOther, ModelFamily::kOther, "picture encoder of CLIP"},
    {"*clip_txt_mapper.weight", FileKind::kOther, ModelFamily::kOther, "Stable Cascade model"},
    {"model.0.weight", FileKind::kOther, ModelFamily::kOther, "upscaler (ESRGAN)"},
    {"conv_first.weight", FileKind::kOther, ModelFamily::kOther, "upscaler (ESRGAN)"},
};

/// The prefix of a ControlNet in its original form.
constexpr std::string_view kControlModel = "control_model.";

std::string with_article(std::string_view name) {
  const bool vowel = std::string_view("AEIOUaeiou").find(name[0]) != std::string_view::npos;
  const bool spelt = name.starts_with("LLL") || name.starts_with("SD");  // "an SDXL checkpoint"
  return fmt::format("{} {}", vowel || spelt ? "an" : "a", name);
}

std::string_view text_of(ModelFamily family) {
  switch (family) {
    case ModelFamily::kSdxl:
      return "SDXL";
    case ModelFamily::kSdxlRefiner:
      return "SDXL refiner";
    case ModelFamily::kSd1:
      return "Stable Diffusion 1";
    case ModelFamily::kSd2:
      return "Stable Diffusion 2";
    case ModelFamily::kSd3:
      return "Stable Diffusion 3";
    case ModelFamily::kFlux:
      return "Flux";
    default:
      return "";
  }
}

class Identifier {
 public:
  explicit Identifier(const WeightFile& file) : weights_(file.weights), metadata_(file.metadata) {}

  FileIdentity identify() {
    if (const KnownRow* known = find_known(); known != nullptr) {
      made_.kind = known->kind;
      made_.family = known->family;
      if (made_.family == ModelFamily::kUnknown) made_.family = of_metadata();
      if (made_.family == ModelFamily::kUnknown) made_.family = of_adapter();
      const std::string_view of = text_of(made_.family);
      const bool says = of.empty() || known->name.find(of) != std::string_view::npos ||
                        known->name.find(" of ") != std::string_view::npos;
      made_.name =
          with_article(says ? std::string(known->name) : fmt::format("{} of {}", known->name, of));
      if (made_.kind == FileKind::kControlNet) {
        const bool is_under = weights_.has_under(kControlModel);
        made_.parts.push_back({"controlnet", is_under ? kControlModel : std::string_view()});
      }
      return made_;
    }
    find_parts();
    if (made_.has("unet")) {
      read_unet();
    } else if (!made_.parts.empty()) {
      read_others();
    }
    return made_;
  }

 private:
  const KnownRow* find_known() const {
    for (const KnownRow& row : kKnown) {
      if (has_like(row.tensor)) return &row;
    }
    return nullptr;
  }

  bool has_like(std::string_view pattern) const {
    const std::size_t star = pattern.find('*');
    if (star == std::string_view::npos) return weights_.find(pattern) != nullptr;
    if (star == pattern.size() - 1) return weights_.has_under(pattern.substr(0, star));
    return std::any_of(weights_.begin(), weights_.end(), [pattern](const auto& entry) {
      return matches_pattern(entry.first, pattern);
    });
  }

  void find_parts() {
    for (const PartRow& row : kParts) {
      if (made_.has(row.component)) continue;
      const bool found = row.tensor.empty() ? weights_.has_under(row.prefix)
                                            : weights_.find(row.tensor) != nullptr;
      if (found) made_.parts.push_back({row.component, row.prefix});
    }
    if (made_.parts.empty()) find_bare_encoder();
  }

  /// transformers' names do not distinguish the encoders; the second is wider.
  void find_bare_encoder() {
    constexpr std::int64_t kSecondWidth = 1024;
    for (const char* name :
         {"text_model.embeddings.token_embedding.weight", "embeddings.token_embedding.weight"}) {
      const StoredTensor* table = weights_.find(name);
      if (table == nullptr || table->shape.rank() != 2) continue;
      const bool second = table->shape[1] > kSecondWidth;
      made_.parts.push_back({second ? "text_encoder_2" : "text_encoder", ""});
      return;
    }
  }

  /// The first of these tensors of the UNet that has at least that many axes.
  const StoredTensor* of_unet(std::initializer_list<std::string_view> names, int rank = 2) const {
    for (const FilePart& part : made_.parts) {
      if (part.component != "unet") continue;
      for (const std::string_view name : names) {
        const StoredTensor* tensor = weights_.find(fmt::format("{}{}", part.prefix, name));
        if (tensor != nullptr && tensor->shape.rank() >= rank) return tensor;
      }
    }
    return nullptr;
  }

  /// Width of the text embeddings that the UNet reads; 0 if it has no transformers.
  std::int64_t text_channels() const {
    for (const auto& [name, tensor] : weights_) {
      if (name.ends_with(".attn2.to_k.weight") && tensor.shape.rank() == 2) return tensor.shape[1];
    }
    return 0;
  }

  void read_unet() {
    const StoredTensor* first = of_unet({"input_blocks.0.0.weight", "conv_in.weight"});
    const StoredTensor* added = of_unet({"label_emb.0.0.weight", "add_embedding.linear_1.weight"});
    made_.in_channels = first != nullptr ? first->shape[1] : 0;
    made_.has_mid_attention =
        of_unet({"middle_block.1.norm.weight", "mid_block.attentions.0.norm.weight"}, 1) != nullptr;
    made_.is_lcm = of_unet({"time_embedding.cond_proj.weight"}) != nullptr;
    made_.is_playground = weights_.find("edm_mean") != nullptr;
    made_.is_cosxl = weights_.find("edm_vpred.sigma_max") != nullptr;
    made_.family = family_of_unet(first, added);
    read_prediction();
    const bool alone = made_.parts.size() == 1;
    made_.kind = alone ? FileKind::kUNet : FileKind::kCheckpoint;
    const std::string_view of = text_of(made_.family);
    made_.name = with_article(fmt::format("{}{}{}", of.empty() ? "unknown" : of, variant(),
                                          alone ? " UNet" : " checkpoint"));
  }

  ModelFamily family_of_unet(const StoredTensor* first, const StoredTensor* added) const {
    constexpr std::int64_t kRefinerChannels = 384, kRefinerAdded = 2560;
    const std::int64_t text = text_channels();
    if (added != nullptr) {
      const bool refiner = (first != nullptr && first->shape[0] == kRefinerChannels) ||
                           added->shape[1] == kRefinerAdded;
      return refiner ? ModelFamily::kSdxlRefiner : ModelFamily::kSdxl;
    }
    return text == 768 ? ModelFamily::kSd1 : text == 1024 ? ModelFamily::kSd2 : of_metadata();
  }

  std::string_view variant() const {
    if (made_.is_playground) return " (Playground v2.5)";
    if (made_.is_cosxl) return made_.in_channels == 8 ? " (CosXL Edit)" : " (CosXL)";
    if (made_.in_channels == 9) return " inpainting";
    if (made_.in_channels == 8) return " editing (pix2pix)";
    if (!made_.has_mid_attention && made_.family == ModelFamily::kSdxl)
      return " (SSD-1B or similar)";
    return made_.is_lcm ? " LCM" : "";
  }

  void read_prediction() {
    const auto said = [this](const char* key) -> std::string {
      const auto entry = metadata_.find(key);
      return entry == metadata_.end() ? std::string() : entry->second;
    };
    for (const char* key : {"modelspec.prediction_type", "modelspec.predict_key"}) {
      const std::string text = said(key);
      if (text == "epsilon") made_.prediction = UNetPrediction::kEpsilon;
      if (text == "v" || text == "v_prediction") made_.prediction = UNetPrediction::kVelocity;
    }
    if (weights_.find("v_pred") != nullptr) made_.prediction = UNetPrediction::kVelocity;
    if (made_.is_playground || made_.is_cosxl) made_.prediction = UNetPrediction::kEdm;
    made_.zero_snr = weights_.find("ztsnr") != nullptr;
  }

  void read_others() {
    const bool vae = made_.has("vae");
    made_.kind = vae && made_.parts.size() == 1 ? FileKind::kVae : FileKind::kTextEncoders;
    made_.family = of_metadata();
    if (vae) {
      made_.name = made_.parts.size() == 1 ? "a VAE" : "a VAE with text encoders";
    } else {
      made_.name = made_.parts.size() > 1        ? "two text encoders"
                   : made_.has("text_encoder_2") ? "SDXL's second text encoder"
                                                 : "a first text encoder (CLIP-L)";
    }
  }

  /// The family from modelspec.architecture or kohya's ss_base_model_version.
  ModelFamily of_metadata() const {
    constexpr std::array<std::pair<std::string_view, ModelFamily>, 9> kTexts = {{
        {"stable-diffusion-xl-v1-refiner", ModelFamily::kSdxlRefiner},
        {"stable-diffusion-xl", ModelFamily::kSdxl},
        {"stable-diffusion-v1", ModelFamily::kSd1},
        {"stable-diffusion-v2", ModelFamily::kSd2},
        {"stable-diffusion-3", ModelFamily::kSd3},
        {"flux", ModelFamily::kFlux},
        {"sdxl_", ModelFamily::kSdxl},
        {"sd_v1", ModelFamily::kSd1},
        {"sd_v2", ModelFamily::kSd2},
    }};
    for (const char* key : {"modelspec.architecture", "ss_base_model_version"}) {
      const auto said = metadata_.find(key);
      if (said == metadata_.end()) continue;
      for (const auto& [text, family] : kTexts) {
        if (std::string_view(said->second).starts_with(text)) return family;
      }
    }
    return ModelFamily::kUnknown;
  }

  /// The family for which a LoRA, ControlNet or adapter was made.
  ModelFamily of_adapter() const {
    for (const auto& [name, tensor] : weights_) {
      const std::string_view text = name;
      if (text.starts_with("lora_te2_") || text.starts_with("text_encoder_2.") ||
          text.starts_with("add_embedding.") || text.find("label_emb.") != std::string_view::npos)
        return ModelFamily::kSdxl;
      if (text.find("double_blocks") != std::string_view::npos ||
          text.find("single_transformer_blocks") != std::string_view::npos)
        return ModelFamily::kFlux;
      if (text.find("joint_blocks") != std::string_view::npos) return ModelFamily::kSd3;
      // A matrix that reads the text has the text's width as columns.
      const bool reads_text = text.find("attn2") != std::string_view::npos &&
                              (text.find("to_k") != std::string_view::npos ||
                               text.find("to_v") != std::string_view::npos);
      const bool is_ip = text.ends_with("to_k_ip.weight");
      const bool is_first = text.find("down") != std::string_view::npos ||
                            text.find("lora_A") != std::string_view::npos ||
                            text.ends_with(".to_k.weight");
      if (tensor.shape.rank() < 2 || !(is_ip || (reads_text && is_first))) continue;
      const std::int64_t width = tensor.shape[1];
      if (width == 2048) return ModelFamily::kSdxl;
      if (width == 1280) return ModelFamily::kSdxlRefiner;
      if (width == 1024) return ModelFamily::kSd2;
      if (width == 768) return ModelFamily::kSd1;
    }
    return ModelFamily::kUnknown;
  }

  const WeightMap& weights_;
  const Metadata& metadata_;
  FileIdentity made_;
};

}  // namespace

bool FileIdentity::has(std::string_view component) const {
  return std::any_of(parts.begin(), parts.end(),
                     [component](const FilePart& part) { return part.component == component; });
}

FileIdentity identify(const WeightFile& file) { return Identifier(file).identify(); }

std::string reason_against_base(const FileIdentity& identity) {
  const auto because = [&](std::string_view reason) {
    return fmt::format("it is {}: {}", identity.name, reason);
  };
  switch (identity.kind) {
    case FileKind::kCheckpoint:
    case FileKind::kUNet:
      break;
    default:
      return fmt::format("it is {}", identity.name);
  }
  switch (identity.family) {
    case ModelFamily::kSdxl:
      break;
    case ModelFamily::kSdxlRefiner:
      return because("it only refines pictures from the base model");
    case ModelFamily::kSd1:
    case ModelFamily::kSd2:
      return because("InstantID needs SDXL, not Stable Diffusion 1 or 2");
    default:
      return because("InstantID needs SDXL");
  }
  if (identity.is_playground || identity.is_cosxl)
    return because("its prediction type (EDM) differs from SDXL's");
  if (identity.in_channels == 8) return because("it needs a picture to edit as a second input");
  if (!identity.has_mid_attention) return because("IdentityNet needs all of SDXL's transformers");
  return {};
}

}  // namespace semblance
