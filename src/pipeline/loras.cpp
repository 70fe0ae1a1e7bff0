#include "pipeline/loras.h"

#include <algorithm>

#include "core/error.h"
#include "core/stop.h"
#include "pipeline/stage_graphs.h"
#include "runtime/patch_norms.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kUNetPrefix = "unet.";

/// Weights of the files, or of the graph if the files are assumed.
template <typename MakeGraph>
void add_names(LoraNames& names, LoraPart part, std::string_view prefix, const WeightMap& weights,
               MakeGraph&& make_graph) {
  bool has_any = false;
  for (const auto& [name, tensor] : weights) {
    if (!name.starts_with(prefix)) continue;
    has_any = true;
    names.add(part, prefix, name, tensor.shape);
  }
  if (has_any) return;
  const Graph graph = make_graph();
  for (const ValueInfo& value : graph.values()) {
    if (value.kind == ValueKind::kWeight && value.name.starts_with(prefix))
      names.add(part, prefix, value.name, value.type.shape);
  }
}

LoraNames names_of(const OpenedModels& models) {
  LoraNames names(models.unet.layers, models.unet.up_attention);
  add_names(names, LoraPart::kUNet, kUNetPrefix, models.denoiser_weights, [&] {
    Request small;
    small.width = small.height =
        static_cast<int>(models.vae.fold() << static_cast<unsigned>(models.unet.levels()));
    return step_graph(models, small, models.prompt_length(0), {}, DType::kF32);
  });
  for (std::size_t i = 0; i < 2; ++i) {
    add_names(names, i == 0 ? LoraPart::kTextEncoder1 : LoraPart::kTextEncoder2, "",
              models.clip_weights[i], [&] { return text_encoder_graph(models, i, 1); });
  }
  return names;
}

const WeightMap& weights_of(const OpenedModels& models, std::size_t part) {
  return part == 0 ? models.denoiser_weights : models.clip_weights[part - 1];
}

/// Of patches and what sessions make of them; measured for LoRAs of two factors.
std::uint64_t bytes_of(const LoraPatches& patches) {
  constexpr std::uint64_t kPatchBytes = 2048;
  std::uint64_t bytes = 0;
  for (const WeightPatches& of_part : patches) {
    for (const auto& [name, all] : of_part) {
      for (const WeightPatch& patch : all) {
        bytes += kPatchBytes;
        if (patch.norm)
          bytes += static_cast<std::uint64_t>(patch.norm->wanted.shape.elements()) * sizeof(float);
      }
    }
  }
  return bytes;
}

std::string part_name(const Fingerprints& known, const std::string& name) {
  std::string part = "the LoRA " + name;
  for (int i = 2; known.contains(part); ++i) part = fmt::format("the LoRA {} ({})", name, i);
  return part;
}

}  // namespace

AppliedLoras open_loras(const OpenedModels& models, std::span<const std::string> choices,
                        std::span<const fs::path> folders) {
  AppliedLoras loras;
  const LoraNames names = names_of(models);
  for (const std::string& text : choices) {
    LoraChoice choice = parse_lora(text);
    const std::string name = choice.short_name();
    const fs::path path = find_lora(choice, folders);
    LoraFile file = open_lora(path);
    const LoraMatch match =
        add_lora(file, names, {choice.weight, choice.text_weight}, loras.patches);
    if (!match.unmatched.empty()) loras.unmatched.push_back({name, match.unmatched});
    loras.fingerprints[part_name(loras.fingerprints, name)] = fingerprint_of(*file.file);
    choice.name = fs::absolute(path).lexically_normal().string();
    loras.paths.push_back(text_of(choice));
    loras.files.push_back(std::move(file));
  }
  loras.held_bytes = bytes_of(loras.patches);
  return loras;
}

void prepare(AppliedLoras& loras, const OpenedModels& models, const std::stop_token& stop) {
  if (loras.is_prepared) return;
  const auto check = [&stop] { check_stop(stop); };
  for (const LoraFile& file : loras.files) check_numbers(file, check);
  for (std::size_t part = 0; part < kLoraParts; ++part) {
    for (auto& [name, patches] : loras.patches[part]) {
      const bool has_norm = std::ranges::any_of(
          patches, [](const WeightPatch& patch) { return patch.norm != nullptr; });
      if (!has_norm) continue;
      const StoredTensor* const tensor = weights_of(models, part).find(name);
      SEMBLANCE_ASSERT(tensor != nullptr);
      find_ratios(*tensor, patches, check);
    }
  }
  loras.is_prepared = true;
}

namespace {

/// Tells choices apart, and files that were replaced.
std::vector<std::string> key_of(const std::vector<std::string>& choices,
                                std::span<const fs::path> folders) {
  std::vector<std::string> key;
  for (const std::string& text : choices) {
    const fs::path path = find_lora(parse_lora(text), folders);
    std::error_code ignored;
    const auto size = fs::file_size(path, ignored);
    const auto time = fs::last_write_time(path, ignored).time_since_epoch().count();
    key.push_back(fmt::format("{} {} {} {}", text, path.string(), size, time));
  }
  return key;
}

}  // namespace

std::shared_ptr<const AppliedLoras> LoraShelf::get(const OpenedModels& models,
                                                   const std::vector<std::string>& choices,
                                                   bool prepared, const std::stop_token& stop) {
  if (choices.empty()) return nullptr;
  const std::lock_guard guard(mutex_);
  const std::vector<std::string> key = key_of(choices, folders_);
  if (kept_ && key == key_ && (kept_->is_prepared || !prepared)) return kept_;
  // Those that are kept may be in use: others are made, not changed.
  auto made = std::make_shared<AppliedLoras>(open_loras(models, choices, folders_));
  if (prepared) prepare(*made, models, stop);
  key_ = key;
  kept_ = made;
  return kept_;
}

}  // namespace semblance
