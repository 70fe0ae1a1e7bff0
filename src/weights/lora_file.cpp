#include "weights/lora_file.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/convert.h"
#include "core/error.h"
#include "core/json.h"
#include "weights/checkpoint.h"
#include "weights/names.h"
#include "weights/safetensors.h"

namespace semblance {
namespace {

/// A header of this size has more tensors than kMostLoraTensors, whatever their names.
constexpr std::uint64_t kMostHeaderBytes = std::uint64_t{16} << 20;

struct Suffix {
  std::string_view text;
  LoraRole role;
};

// A name ends with the first that fits.
constexpr Suffix kSuffixes[] = {
    {".lora_up.weight", LoraRole::kUp},
    {".lora_down.weight", LoraRole::kDown},
    {".lora_mid.weight", LoraRole::kMid},
    {".lora_B.weight", LoraRole::kUp},
    {".lora_A.weight", LoraRole::kDown},
    {".lora_B.default.weight", LoraRole::kUp},
    {".lora_A.default.weight", LoraRole::kDown},
    {".lora_linear_layer.up.weight", LoraRole::kUp},
    {".lora_linear_layer.down.weight", LoraRole::kDown},
    {".lora.up.weight", LoraRole::kUp},
    {".lora.down.weight", LoraRole::kDown},
    {"_lora.up.weight", LoraRole::kUp},
    {"_lora.down.weight", LoraRole::kDown},
    {".alpha", LoraRole::kAlpha},
    {".dora_scale", LoraRole::kDoraScale},
    {".lora_magnitude_vector", LoraRole::kMagnitude},
    {".lora_magnitude_vector.weight", LoraRole::kMagnitude},
    {".lora_magnitude_vector.default.weight", LoraRole::kMagnitude},
    {".hada_w1_a", LoraRole::kHada1A},
    {".hada_w1_b", LoraRole::kHada1B},
    {".hada_w2_a", LoraRole::kHada2A},
    {".hada_w2_b", LoraRole::kHada2B},
    {".hada_t1", LoraRole::kHadaT1},
    {".hada_t2", LoraRole::kHadaT2},
    {".lokr_w1", LoraRole::kLokr1},
    {".lokr_w1_a", LoraRole::kLokr1A},
    {".lokr_w1_b", LoraRole::kLokr1B},
    {".lokr_w2", LoraRole::kLokr2},
    {".lokr_w2_a", LoraRole::kLokr2A},
    {".lokr_w2_b", LoraRole::kLokr2B},
    {".lokr_t2", LoraRole::kLokrT2},
    {".diff", LoraRole::kDiff},
    {".diff_b", LoraRole::kBiasDiff},
    {".w_norm", LoraRole::kDiff},
    {".b_norm", LoraRole::kBiasDiff},
};

struct Refused {
  std::string_view suffix;
  std::string_view kind;
};

constexpr Refused kRefused[] = {
    {".on_input", "IA3"},    {".oft_blocks", "OFT"},   {".oft_diag", "OFT"},
    {".a1.weight", "GLoRA"}, {".a2.weight", "GLoRA"},  {".b1.weight", "GLoRA"},
    {".b2.weight", "GLoRA"}, {".oft_R.weight", "OFT"}, {".boft_R", "BOFT"},
};

[[noreturn]] void refuse(const File& file, std::string_view why) {
  fail(ErrorKind::kCorrupt, "cannot use the LoRA {}: {}", file.name(), why);
}

/// Before a header of a hundred megabytes is read.
void check_header(const File& file) {
  std::array<std::byte, 9> head{};
  if (file.size() < head.size()) return;
  file.read(0, head);
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < 8; ++i) bytes |= std::to_integer<std::uint64_t>(head[i]) << (8 * i);
  const bool is_safetensors = head[8] == std::byte{'{'} && bytes <= file.size();
  if (is_safetensors && bytes > kMostHeaderBytes) {
    refuse(file, fmt::format("its header has {} bytes, expected at most {}\n  a LoRA for SDXL has "
                             "some thousand tensors: is this a whole model?",
                             bytes, kMostHeaderBytes));
  }
}

float number_in(const File& file, const std::string& name, const StoredTensor& tensor) {
  if (tensor.shape.elements() != 1) {
    refuse(file, fmt::format("{} must be one number, got {}", name, to_string(tensor.shape)));
  }
  std::array<std::byte, sizeof(double)> bytes{};
  const std::span<std::byte> raw = std::span(bytes).first(size_of(tensor.dtype));
  tensor.file->read(tensor.offset, raw);
  float value = 0;
  to_f32(tensor.dtype, raw, {&value, 1});
  if (!std::isfinite(value))
    refuse(file, fmt::format("{} must be a finite number, got {}", name, value));
  return value;
}

/// "{"unet.r": 64, "unet.lora_alpha": 32, "unet.alpha_pattern": {"to_q": 8}, ...}"
void read_settings(LoraFile& lora, const std::string& text) {
  const Json json = Json::parse(lora.file->name() + ": lora_adapter_metadata", text);
  for (const std::string& key : json.expect_object().keys()) {
    const std::size_t dot = key.rfind('.');
    const std::string part = dot == std::string::npos ? "" : key.substr(0, dot);
    const std::string name = key.substr(dot == std::string::npos ? 0 : dot + 1);
    if (name == "lora_alpha") {
      lora.settings[part].alpha = json.get_float(key);
    } else if (name == "use_rslora") {
      lora.settings[part].rank_stabilized = json.get_bool(key, false);
    } else if (name == "alpha_pattern") {
      const Json pattern = json.child(key);
      for (const std::string& layer : pattern.expect_object().keys())
        lora.settings[part].alpha_of[layer] = pattern.get_float(layer);
    }
  }
}

void read_metadata(LoraFile& lora) {
  std::array<std::byte, 10> head{};
  if (lora.file->size() < head.size()) return;
  lora.file->read(0, head);
  const bool is_safetensors = head[8] == std::byte{'{'} && head[7] == std::byte{0};
  if (!is_safetensors) return;
  const SafetensorsMetadata metadata = read_safetensors_metadata(*lora.file);
  const auto text = [&](const char* key) {
    const auto found = metadata.find(key);
    return found == metadata.end() ? std::string() : found->second;
  };
  if (const std::string settings = text("lora_adapter_metadata"); !settings.empty())
    read_settings(lora, settings);
  lora.base = text("ss_base_model_version");
  if (lora.base.empty()) lora.base = text("modelspec.architecture");
  lora.base = printable(lora.base);
}

}  // namespace

LoraFile read_lora(const std::shared_ptr<const File>& file) {
  check_header(*file);
  LoraFile lora{.file = file};
  const WeightMap tensors = read_weight_file(file).weights;
  if (tensors.size() > kMostLoraTensors) {
    refuse(*file, fmt::format("it has {} tensors, expected at most {}\n  is this a whole model?",
                              tensors.size(), kMostLoraTensors));
  }
  read_metadata(lora);
  std::map<std::string, LoraLayer, std::less<>> layers;
  for (const auto& [name, tensor] : tensors) {
    const auto ends = [&name = name](const auto& row) { return name.ends_with(row); };
    const auto* const refused =
        std::ranges::find_if(kRefused, [&](const Refused& row) { return ends(row.suffix); });
    if (refused != std::end(kRefused)) {
      fail(ErrorKind::kArgument,
           "cannot use the LoRA {}: its kind, {}, is not supported ({})\n  supported are LoRA, "
           "LoHa, "
           "LoKr, DoRA and full differences",
           file->name(), refused->kind, name);
    }
    const auto* const suffix =
        std::ranges::find_if(kSuffixes, [&](const Suffix& row) { return ends(row.text); });
    if (suffix == std::end(kSuffixes)) {
      lora.strange.push_back(name);
      continue;
    }
    std::string layer_name = name.substr(0, name.size() - suffix->text.size());
    LoraLayer& layer = layers[layer_name];
    layer.name = std::move(layer_name);
    if (suffix->role == LoraRole::kAlpha) {
      layer.alpha = number_in(*file, name, tensor);
      continue;
    }
    StoredTensor& place = layer.tensors[static_cast<std::size_t>(suffix->role)];
    if (place.file) refuse(*file, fmt::format("{} is there under two names", name));
    if (!is_float(tensor.dtype)) {
      refuse(*file,
             fmt::format("{} must be F32, F16, BF16 or F64, got {}", name, name_of(tensor.dtype)));
    }
    place = tensor;
  }
  for (auto& [name, layer] : layers) lora.layers.push_back(std::move(layer));
  return lora;
}

LoraFile open_lora(const std::filesystem::path& path) { return read_lora(open_file(path)); }

void check_numbers(const LoraFile& lora, const std::function<void()>& check) {
  constexpr std::size_t kPiece = std::size_t{1} << 18;
  std::vector<std::byte> raw(kPiece * sizeof(double));
  std::vector<float> values(kPiece);
  for (const LoraLayer& layer : lora.layers) {
    for (const StoredTensor& tensor : layer.tensors) {
      if (!tensor.file) continue;
      const std::uint64_t count = static_cast<std::uint64_t>(tensor.shape.elements());
      for (std::uint64_t first = 0; first < count; first += kPiece) {
        if (check) check();
        const std::size_t here = std::min<std::uint64_t>(kPiece, count - first);
        const std::span<std::byte> bytes = std::span(raw).first(here * size_of(tensor.dtype));
        tensor.file->read(tensor.offset + first * size_of(tensor.dtype), bytes);
        const std::span<float> part = std::span(values).first(here);
        to_f32(tensor.dtype, bytes, part);
        std::uint32_t strange = 0;  // without a branch, so that it is done in vectors
        for (const float& value : part) {
          std::uint32_t bits = 0;
          std::memcpy(&bits, &value, sizeof(bits));
          strange |= static_cast<std::uint32_t>((bits & 0x7f800000U) == 0x7f800000U);
        }
        if (strange == 0) continue;
        fail(ErrorKind::kCorrupt,
             "cannot use the LoRA {}: a factor of {} has a number that is not finite\n  its "
             "training "
             "failed, or the file is damaged",
             lora.file->name(), layer.name);
      }
    }
  }
}

}  // namespace semblance
