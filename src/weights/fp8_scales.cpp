#include "weights/fp8_scales.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/json.h"
#include "weights/names.h"

namespace semblance {
namespace {

constexpr std::string_view kMetadata = "_quantization_metadata";
constexpr std::string_view kMarker = "scaled_fp8";
constexpr std::string_view kLayerFormat = ".comfy_quant";
constexpr std::array<std::string_view, 2> kFactors = {".scale_weight", ".weight_scale"};
constexpr std::array<std::string_view, 2> kOfInputs = {".scale_input", ".input_scale"};
constexpr std::array<std::string_view, 2> kFormats = {"float8_e4m3fn", "float8_e5m2"};
constexpr std::uint64_t kMostFormatBytes = 1 << 16;

constexpr std::string_view kWayOut = "use a copy of the model in fp16, bf16 or plain fp8";

bool is_f8(DType dtype) { return dtype == DType::kF8E4M3 || dtype == DType::kF8E5M2; }

/// Whether a name is `ending` or ends with '.' + `ending`.
bool is_marker(std::string_view name) {
  return name == kMarker ||
         (name.ends_with(kMarker) && name.substr(0, name.size() - kMarker.size()).ends_with('.'));
}

template <std::size_t n>
bool ends_with_one(std::string_view name, const std::array<std::string_view, n>& endings) {
  return std::any_of(endings.begin(), endings.end(),
                     [name](std::string_view ending) { return name.ends_with(ending); });
}

class Scales {
 public:
  explicit Scales(const WeightFile& file) : weights_(file.weights) {
    for (const auto& [name, tensor] : weights_) {
      if (is_marker(name)) marked_.emplace_back(name.substr(0, name.size() - kMarker.size()));
      if (name.ends_with(kLayerFormat)) read_format(name, tensor);
    }
    if (const auto said = file.metadata.find(std::string(kMetadata)); said != file.metadata.end())
      read_formats(said->second);
  }

  WeightMap apply() const {
    WeightMap result;
    for (const auto& [name, tensor] : weights_) {
      const bool only_says = is_marker(name) || name.ends_with(kLayerFormat) ||
                             ends_with_one(name, kFactors) || ends_with_one(name, kOfInputs);
      if (!only_says) result.add(name, with_factor(name, tensor));
    }
    return result;
  }

  bool has_any() const {
    return !marked_.empty() || !declared_.empty() ||
           std::any_of(weights_.begin(), weights_.end(), [](const auto& entry) {
             return ends_with_one(entry.first, kFactors) || ends_with_one(entry.first, kOfInputs);
           });
  }

 private:
  [[noreturn]] void refuse(std::string_view reason) const {
    fail(ErrorKind::kCorrupt, "cannot read {}: {}\n  {}", file_name(), reason, kWayOut);
  }
  /// The first tensor's file; usually all are in the same one.
  std::string file_name() const {
    return weights_.empty() ? "the weights" : weights_.begin()->second.file->name();
  }

  void read_format(const std::string& name, const StoredTensor& tensor) {
    if (tensor.dtype != DType::kU8 || tensor.bytes() > kMostFormatBytes) {
      refuse(fmt::format("{} must be a JSON object of at most {} bytes, got {} {}", name,
                         kMostFormatBytes, name_of(tensor.dtype), to_string(tensor.shape)));
    }
    std::string text(tensor.bytes(), '\0');
    if (!text.empty()) tensor.file->read(tensor.offset, std::as_writable_bytes(std::span(text)));
    const std::string what = fmt::format("{} of {}", name, file_name());
    declare(name.substr(0, name.size() - kLayerFormat.size()), Json::parse(what, text));
  }

  void read_formats(const std::string& text) {
    const Json said = Json::parse(fmt::format("{} of {}", kMetadata, file_name()), text);
    if (!said.has("layers")) return;
    const Json layers = said.child("layers");
    layers.expect_object();
    for (const std::string& layer : layers.keys()) {
      if (layers.has(layer)) declare(layer, layers.child(layer));
    }
  }

  void declare(const std::string& layer, const Json& said) {
    said.expect_object();
    const std::string format = said.get_string("format", "");
    if (said.get_bool("convrot", false)) {
      refuse(
          fmt::format("its layer {} was rotated before rounding (convrot, {}), which is not "
                      "supported",
                      printable(layer), printable(format)));
    }
    if (std::find(kFormats.begin(), kFormats.end(), format) == kFormats.end()) {
      refuse(fmt::format("its layer {} is stored as {}, expected float8_e4m3fn or float8_e5m2",
                         printable(layer), printable(format)));
    }
    declared_.insert(layer);
  }

  /// Whether it is a linear layer under a marker's prefix; ComfyUI scales only these.
  bool needs_factor(const std::string& layer, const StoredTensor& tensor) const {
    if (!is_f8(tensor.dtype)) return false;
    if (declared_.contains(layer)) return true;
    return tensor.shape.rank() == 2 &&
           std::any_of(marked_.begin(), marked_.end(),
                       [&](const std::string& prefix) { return layer.starts_with(prefix); });
  }

  StoredTensor with_factor(const std::string& name, StoredTensor tensor) const {
    constexpr std::string_view kWeight = ".weight";
    if (!name.ends_with(kWeight)) return tensor;
    const std::string layer = name.substr(0, name.size() - kWeight.size());
    int found = 0;
    for (std::string_view ending : kFactors) {
      const std::string factor = layer + std::string(ending);
      const StoredTensor* stored = weights_.find(factor);
      if (stored == nullptr) continue;
      if (++found > 1) refuse(fmt::format("{} has two scales, {}.*", name, layer));
      if (!is_float(tensor.dtype)) {
        refuse(fmt::format("{} is {} with a scale, expected floats", name, name_of(tensor.dtype)));
      }
      tensor.scale = number_of(factor, *stored);
    }
    if (found == 0 && needs_factor(layer, tensor)) {
      refuse(fmt::format("its layers should have scales, but {} has none ({}{} or {})", name, layer,
                         kFactors[0], kFactors[1]));
    }
    return tensor;
  }

  float number_of(const std::string& name, const StoredTensor& stored) const {
    if (!is_float(stored.dtype) || stored.shape.elements() != 1) {
      refuse(fmt::format("the scale {} must be one float, got {} {}", name, name_of(stored.dtype),
                         to_string(stored.shape)));
    }
    std::array<std::byte, 8> raw{};
    float value = 0;
    read_rows(stored, 0, 1, raw, std::span(&value, 1));
    if (!std::isfinite(value))
      refuse(fmt::format("the scale {} is {}, expected a finite number", name, value));
    return value;
  }

  const WeightMap& weights_;
  std::vector<std::string> marked_;  // prefixes
  std::set<std::string> declared_;   // layers that say how they are stored
};

}  // namespace

WeightMap scaled(const WeightFile& file) {
  const Scales scales(file);
  return scales.has_any() ? scales.apply() : file.weights;
}

}  // namespace semblance
