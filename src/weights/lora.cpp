#include "weights/lora.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "core/ascii.h"
#include "core/error.h"

namespace semblance {
namespace {

using Combine = WeightPatch::Combine;
using Role = LoraRole;

/// Makes the patches of one layer; its errors name it.
class LayerReader {
 public:
  LayerReader(const LoraFile& lora, const LoraLayer& layer, const LoraTargets& target)
      : lora_(lora), layer_(layer), target_(target) {}

  /// The patch of the layer's weight; none if it has none. `strength` is not 0.
  std::optional<WeightPatch> weight(float strength) const;
  std::optional<WeightPatch> bias(float strength) const;

 private:
  [[noreturn]] void refuse(ErrorKind kind, std::string_view why) const {
    fail(kind, "cannot use the LoRA {}: {}: {}", lora_.file->name(), layer_.name, why);
  }
  [[noreturn]] void misshapen(std::string_view what, const Shape& got) const {
    refuse(
        ErrorKind::kShape,
        fmt::format("{} is {}, which does not fit the weight {} {}\n  is it for another model?",
                    what, to_string(got), target_.weight->name, to_string(target_.weight->shape)));
  }
  const StoredTensor& needed(Role role, std::string_view name) const {
    if (const StoredTensor* tensor = layer_.find(role)) return *tensor;
    refuse(ErrorKind::kCorrupt, fmt::format("it has no {}", name));
  }

  FactoredMatrix product(const StoredTensor& up, const StoredTensor& down, const StoredTensor* mid,
                         bool up_is_turned) const;
  FactoredMatrix whole(const StoredTensor& tensor) const;
  /// Throws unless the matrix is as large as the weight.
  FactoredMatrix fitting(FactoredMatrix matrix, std::string_view what, const Shape& shape) const;
  float scale_of(std::int64_t rank) const;
  WeightPatch lora(float strength) const;
  WeightPatch loha(float strength) const;
  WeightPatch lokr(float strength) const;
  void add_norm(WeightPatch& patch, float strength) const;

  std::int64_t rows() const { return target_.weight->shape[0]; }
  std::int64_t columns() const { return target_.weight->shape.elements_from(1); }
  std::int64_t positions() const {
    return target_.weight->shape.rank() < 3 ? 1 : target_.weight->shape.elements_from(2);
  }

  const LoraFile& lora_;
  const LoraLayer& layer_;
  const LoraTargets& target_;
};

FactoredMatrix LayerReader::whole(const StoredTensor& tensor) const {
  if (tensor.shape.rank() < 1) misshapen("a factor", tensor.shape);
  return {.tensors = {tensor}, .rows = tensor.rows(), .columns = tensor.row_elements()};
}

/// Checks that the factors fit each other.
FactoredMatrix LayerReader::product(const StoredTensor& up, const StoredTensor& down,
                                    const StoredTensor* mid, bool up_is_turned) const {
  FactoredMatrix matrix{.tensors = {up, down}, .up_is_turned = up_is_turned};
  if (up.shape.rank() < 1 || down.shape.rank() < 2) misshapen("a factor", down.shape);
  matrix.columns = down.row_elements();
  matrix.rank = down.rows();
  if (mid != nullptr) {
    if (mid->shape.rank() < 2) misshapen("the middle factor", mid->shape);
    matrix.tensors.push_back(*mid);
    matrix.rank = mid->shape[0];
    matrix.inner = mid->shape[1];
    matrix.positions = mid->shape.rank() < 3 ? 1 : mid->shape.elements_from(2);
    if (matrix.inner != down.rows() || matrix.positions != positions())
      misshapen("the middle factor", mid->shape);
    matrix.columns *= matrix.positions;
  }
  if (matrix.rank == 0 || down.rows() == 0) refuse(ErrorKind::kCorrupt, "its rank is 0");
  if (matrix.rank > kMostLoraRank || matrix.inner > kMostLoraRank) {
    refuse(ErrorKind::kShape, fmt::format("its rank is {}, expected at most {}",
                                          std::max(matrix.rank, matrix.inner), kMostLoraRank));
  }
  const std::int64_t up_rank = up_is_turned ? up.rows() : up.row_elements();
  if (up_rank != matrix.rank) {
    refuse(ErrorKind::kShape, fmt::format("its factors {} and {} do not have the same rank",
                                          to_string(up.shape), to_string(down.shape)));
  }
  matrix.rows = up_is_turned ? up.row_elements() : up.rows();
  return matrix;
}

FactoredMatrix LayerReader::fitting(FactoredMatrix matrix, std::string_view what,
                                    const Shape& shape) const {
  if (matrix.rows != shape[0] || matrix.columns != shape.elements_from(1))
    misshapen(what, {matrix.rows, matrix.columns});
  return matrix;
}

/// alpha / rank; without an alpha in the file what peft's settings say, else 1.
float LayerReader::scale_of(std::int64_t rank) const {
  const auto whole_rank = static_cast<float>(rank);
  if (layer_.alpha) return *layer_.alpha == 0 ? 1.0F : *layer_.alpha / whole_rank;
  constexpr std::array<const char*, kLoraParts> kParts{"unet", "text_encoder", "text_encoder_2"};
  auto found = lora_.settings.find(kParts[static_cast<std::size_t>(target_.part)]);
  if (found == lora_.settings.end()) found = lora_.settings.find("");
  if (found == lora_.settings.end()) return 1;
  const LoraSettings& settings = found->second;
  std::optional<double> alpha = settings.alpha;
  for (const auto& [name, value] : settings.alpha_of) {
    const bool is_end = target_.module == name || target_.module.ends_with('.' + name);
    if (is_end) alpha = value;
  }
  if (!alpha) return 1;
  const float divisor = settings.rank_stabilized ? std::sqrt(whole_rank) : whole_rank;
  return static_cast<float>(*alpha) / divisor;
}

WeightPatch LayerReader::lora(float strength) const {
  const StoredTensor& down = needed(Role::kDown, "down factor (lora_down, lora_A)");
  const StoredTensor& up = needed(Role::kUp, "up factor (lora_up, lora_B)");
  WeightPatch patch{.first = fitting(product(up, down, layer_.find(Role::kMid), false),
                                     "the product of its factors", target_.weight->shape)};
  patch.scale = strength * scale_of(down.rows());
  return patch;
}

WeightPatch LayerReader::loha(float strength) const {
  const StoredTensor* t1 = layer_.find(Role::kHadaT1);
  const StoredTensor* t2 = layer_.find(Role::kHadaT2);
  if ((t1 == nullptr) != (t2 == nullptr))
    refuse(ErrorKind::kCorrupt, fmt::format("it has no {}", t1 == nullptr ? "hada_t1" : "hada_t2"));
  const StoredTensor& w1_a = needed(Role::kHada1A, "hada_w1_a");
  const StoredTensor& w1_b = needed(Role::kHada1B, "hada_w1_b");
  const StoredTensor& w2_a = needed(Role::kHada2A, "hada_w2_a");
  const StoredTensor& w2_b = needed(Role::kHada2B, "hada_w2_b");
  const auto factor = [&](const StoredTensor& a, const StoredTensor& b, const StoredTensor* t) {
    return fitting(product(a, b, t, t != nullptr), "the product of its factors",
                   target_.weight->shape);
  };
  WeightPatch patch{.combine = Combine::kTimes,
                    .first = factor(w1_a, w1_b, t1),
                    .second = factor(w2_a, w2_b, t2)};
  patch.scale = strength * scale_of(w1_b.rows());
  return patch;
}

WeightPatch LayerReader::lokr(float strength) const {
  std::int64_t rank = 0;  // of the factored part; the second counts
  const auto factor = [&](Role whole_role, Role a_role, Role b_role, const StoredTensor* t,
                          std::string_view name) {
    if (const StoredTensor* tensor = layer_.find(whole_role)) return whole(*tensor);
    const StoredTensor& a = needed(a_role, fmt::format("{} or {}_a", name, name));
    const StoredTensor& b = needed(b_role, fmt::format("{}_b", name));
    rank = b.rows();
    return product(a, b, t, t != nullptr);
  };
  WeightPatch patch{.combine = Combine::kKronecker,
                    .first = factor(Role::kLokr1, Role::kLokr1A, Role::kLokr1B, nullptr, "lokr_w1"),
                    .second = factor(Role::kLokr2, Role::kLokr2A, Role::kLokr2B,
                                     layer_.find(Role::kLokrT2), "lokr_w2")};
  const FactoredMatrix& w1 = patch.first;
  const FactoredMatrix& w2 = *patch.second;
  const bool fits = w1.rows > 0 && w2.rows > 0 && w1.columns > 0 && w2.columns > 0 &&
                    rows() % w1.rows == 0 && rows() / w1.rows == w2.rows &&
                    columns() % w1.columns == 0 && columns() / w1.columns == w2.columns &&
                    w2.columns % positions() == 0;
  if (!fits) {
    refuse(
        ErrorKind::kShape,
        fmt::format("the Kronecker product of {} and {} does not fit the weight {} {}\n  is it for "
                    "another model?",
                    to_string({w1.rows, w1.columns}), to_string({w2.rows, w2.columns}),
                    target_.weight->name, to_string(target_.weight->shape)));
  }
  // Whatever alpha says, two whole factors are not scaled.
  patch.scale = strength * (rank == 0 ? 1.0F : scale_of(rank));
  return patch;
}

/// DoRA. kohya's is applied as AUTOMATIC1111 does it, the strength outside; peft's has it inside.
void LayerReader::add_norm(WeightPatch& patch, float strength) const {
  const StoredTensor* const scale = layer_.find(Role::kDoraScale);
  const StoredTensor* const magnitude = layer_.find(Role::kMagnitude);
  if (scale == nullptr && magnitude == nullptr) return;
  const StoredTensor& wanted = scale != nullptr ? *scale : *magnitude;
  const Shape& shape = target_.weight->shape;
  if (shape.rank() < 2) misshapen("its norm", wanted.shape);
  WeightPatch::Norm norm{.wanted = wanted};
  const std::int64_t count = wanted.shape.elements();
  const bool is_column = wanted.shape.rank() >= 2 && wanted.shape[0] == 1 && count == shape[1];
  norm.of_rows = scale == nullptr || !is_column;
  if (count != (norm.of_rows ? shape[0] : shape[1])) misshapen("its norm", wanted.shape);
  if (scale != nullptr) norm.blend = strength;
  patch.norm = std::make_shared<WeightPatch::Norm>(std::move(norm));
}

std::optional<WeightPatch> LayerReader::weight(float strength) const {
  const bool is_lora = layer_.has(Role::kUp) || layer_.has(Role::kDown) || layer_.has(Role::kMid);
  const bool is_loha = layer_.has(Role::kHada1A) || layer_.has(Role::kHada1B) ||
                       layer_.has(Role::kHada2A) || layer_.has(Role::kHada2B);
  const bool is_lokr = layer_.has(Role::kLokr1) || layer_.has(Role::kLokr1A) ||
                       layer_.has(Role::kLokr2) || layer_.has(Role::kLokr2A);
  const bool is_diff = layer_.has(Role::kDiff);
  if (is_lora + is_loha + is_lokr + is_diff > 1)
    refuse(ErrorKind::kCorrupt, "it is of several kinds (LoRA, LoHa, LoKr, diff) at once");
  const float inside = layer_.has(Role::kDoraScale) ? 1.0F : strength;
  std::optional<WeightPatch> patch;
  if (is_lora) patch = lora(inside);
  if (is_loha) patch = loha(inside);
  if (is_lokr) patch = lokr(inside);
  if (is_diff) {
    patch = WeightPatch{.scale = inside,
                        .first = fitting(whole(*layer_.find(Role::kDiff)), "its difference",
                                         target_.weight->shape)};
  }
  if (patch) add_norm(*patch, strength);
  return patch;
}

std::optional<WeightPatch> LayerReader::bias(float strength) const {
  const StoredTensor* const diff = layer_.find(Role::kBiasDiff);
  if (diff == nullptr || !target_.bias) return std::nullopt;
  return WeightPatch{.scale = strength,
                     .first = fitting(whole(*diff), "its bias's difference", target_.bias->shape)};
}

/// "Stable Diffusion 1" and the like by the width of the text that cross-attention reads.
std::string_view family_of_width(std::int64_t width) {
  if (width == 768) return "Stable Diffusion 1";
  if (width == 1024) return "Stable Diffusion 2";
  return width == 1280 ? "SDXL's refiner" : "";
}

[[noreturn]] void refuse_family(const LoraFile& lora, std::string_view family,
                                std::string_view reason) {
  fail(ErrorKind::kArgument,
       "cannot use the LoRA {}: it is for {} ({})\n  this program needs a LoRA for SDXL",
       lora.file->name(), family, reason);
}

/// Throws for a LoRA that is for another family of models, even where some names are the same.
void check_family(const LoraFile& lora, const LoraNames& names) {
  for (const LoraLayer& layer : lora.layers) {
    if (const std::string_view family = family_of(layer.name); !family.empty())
      refuse_family(lora, family, layer.name);
    const bool reads_text = layer.name.find("attn2") != std::string::npos &&
                            (layer.name.ends_with("to_k") || layer.name.ends_with("to_v"));
    const StoredTensor* const down = layer.find(Role::kDown);
    if (!reads_text || down == nullptr || down->row_elements() == names.cross_width()) continue;
    const std::string_view family = family_of_width(down->row_elements());
    if (!family.empty()) {
      refuse_family(lora, family,
                    fmt::format("{} reads a text of width {}, the model's is {}", layer.name,
                                down->row_elements(), names.cross_width()));
    }
  }
  const bool is_other = !lora.base.empty() && lower(lora.base).find("xl") == std::string::npos;
  if (is_other) refuse_family(lora, lora.base, "its metadata says so");
}

}  // namespace

LoraMatch add_lora(const LoraFile& lora, const LoraNames& names, LoraStrength strength,
                   LoraPatches& patches) {
  check_family(lora, names);
  LoraMatch match;
  match.unmatched = lora.strange;
  std::set<const LoraTargets*> done;
  // Files with both schemes of names have every layer twice.
  for (const bool is_original : {false, true}) {
    for (const LoraLayer& layer : lora.layers) {
      const LoraNames::Found found = names.find(layer.name);
      if (found.layer == nullptr) {
        if (!is_original) match.unmatched.push_back(layer.name);
        continue;
      }
      if (found.is_original != is_original) continue;
      const LoraTargets& target = *found.layer;
      if (!target.weight || !done.insert(&target).second) {
        match.unmatched.push_back(layer.name);
        continue;
      }
      const float by = target.part == LoraPart::kUNet ? strength.unet : strength.text;
      const LayerReader reader(lora, layer, target);
      WeightPatches& of_part = patches[static_cast<std::size_t>(target.part)];
      // With strength 0 the factors are checked, too.
      std::optional<WeightPatch> weight = reader.weight(by == 0 ? 1.0F : by);
      std::optional<WeightPatch> bias = reader.bias(by);
      match.layers += weight || bias ? 1 : 0;
      if (!weight && !bias) match.unmatched.push_back(layer.name);
      if (layer.has(Role::kBiasDiff) && !bias) match.unmatched.push_back(layer.name + ": bias");
      if (by == 0) continue;
      if (weight) of_part[target.weight->name].push_back(std::move(*weight));
      if (bias) of_part[target.bias->name].push_back(std::move(*bias));
    }
  }
  if (match.layers == 0) {
    fail(ErrorKind::kArgument,
         "cannot use the LoRA {}: the model has none of its {} layers{}\n  this program needs a "
         "LoRA "
         "for SDXL",
         lora.file->name(), match.unmatched.size(),
         match.unmatched.empty() ? "" : ", such as " + match.unmatched.front());
  }
  std::ranges::sort(match.unmatched);
  return match;
}

}  // namespace semblance
