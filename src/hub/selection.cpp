#include "hub/selection.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>
#include <string_view>

#include "weights/checkpoint.h"

namespace semblance {
namespace {

using Paths = std::set<std::string>;

/// All shards "<start>00001-of-00003<end>", their number taken from the first; empty if one is
/// missing.
std::vector<std::string> shards(const Paths& paths, const std::string& start,
                                const std::string& end) {
  constexpr std::size_t kDigits = 5;
  constexpr std::string_view kOf = "-of-";
  const std::string first = start + "00001" + std::string(kOf);
  const auto found = paths.lower_bound(first);
  if (found == paths.end() || !found->starts_with(first) || !found->ends_with(end) ||
      found->size() != first.size() + kDigits + end.size()) {
    return {};
  }
  const std::string digits = found->substr(first.size(), kDigits);
  if (digits.find_first_not_of("0123456789") != std::string::npos) return {};
  std::vector<std::string> all;
  for (int i = 1; i <= std::stoi(digits); ++i) {
    all.push_back(fmt::format("{}{:05}{}{}{}", start, i, kOf, digits, end));
    if (!paths.contains(all.back())) return {};
  }
  return all;
}

/// A shard index and its shards, or empty.
std::vector<std::string> sharded(const Paths& paths, const std::string& index,
                                 const std::vector<std::pair<std::string, std::string>>& names) {
  if (!paths.contains(index)) return {};
  for (const auto& [start, end] : names) {
    std::vector<std::string> all = shards(paths, start, end);
    if (all.empty()) continue;
    all.push_back(index);
    return all;
  }
  return {};
}

/// The weights of a component, in the order of preference of open_component()
/// (weights/checkpoint.h). `folder` is empty or ends in '/'.
std::vector<std::string> weights_in(const Paths& paths, const std::string& folder) {
  constexpr std::string_view kStems[] = {"diffusion_pytorch_model", "model"};
  constexpr std::string_view kTorchStems[] = {"diffusion_pytorch_model", "pytorch_model"};
  const auto find = [&](const std::string& stem, const std::string& variant,
                        const std::string& type) -> std::vector<std::string> {
    const std::string start = folder + stem;
    if (const std::string whole = start + variant + type; paths.contains(whole)) return {whole};
    const std::vector<std::pair<std::string, std::string>> names = {{start + variant + "-", type},
                                                                    {start + "-", variant + type}};
    std::vector<std::string> parts = sharded(paths, start + variant + type + ".index.json", names);
    if (parts.empty() && !variant.empty())
      parts = sharded(paths, start + type + ".index" + variant + ".json", names);
    return parts;
  };
  for (const char* variant : {".fp16", ""}) {
    for (const auto stem : kStems) {
      auto found = find(std::string(stem), variant, ".safetensors");
      if (!found.empty()) return found;
    }
  }
  for (const char* variant : {".fp16", ""}) {
    for (const auto stem : kTorchStems) {
      auto found = find(std::string(stem), variant, ".bin");
      if (!found.empty()) return found;
    }
  }
  return {};
}

class Selector {
 public:
  explicit Selector(const Paths& paths) : paths_(paths) {}
  void need(const std::string& path) {
    if (paths_.contains(path)) {
      result.files.push_back(path);
    } else {
      result.lacking.push_back(path);
    }
  }
  void take(const std::string& path) {
    if (paths_.contains(path)) result.files.push_back(path);
  }
  void need_weights(const std::string& folder, const std::string& stem) {
    const std::vector<std::string> found = weights_in(paths_, folder + "/");
    result.files.insert(result.files.end(), found.begin(), found.end());
    if (found.empty()) result.lacking.push_back(folder + "/" + stem + ".safetensors");
  }
  Selection result;

 private:
  const Paths& paths_;
};

}  // namespace

bool has_own_name(const std::string& path) {
  const std::string name = std::filesystem::path(path).filename().string();
  return has_weight_extension(name) && !name.starts_with("diffusion_pytorch_model") &&
         !name.starts_with("model.") && !name.starts_with("pytorch_model");
}

namespace {

/// The only weight file in the repository's own folder; empty if it has none or several.
std::string lone_file(const Paths& paths) {
  std::string lone;
  for (const std::string& path : paths) {
    if (path.find('/') != std::string::npos || !has_own_name(path)) continue;
    if (!lone.empty()) return {};
    lone = path;
  }
  return lone;
}

}  // namespace

Selection select_files(const std::vector<std::string>& list, const std::string& file) {
  const Paths paths(list.begin(), list.end());
  Selector selector(paths);
  if (!file.empty()) {
    selector.result.layout = ModelLayout::kFile;
    selector.need(file);
  } else if (paths.contains("ip-adapter.bin") || paths.contains("ControlNetModel/config.json")) {
    selector.result.layout = ModelLayout::kInstantId;
    selector.need("ControlNetModel/config.json");
    selector.need_weights("ControlNetModel", "diffusion_pytorch_model");
    selector.need("ip-adapter.bin");
  } else if (paths.contains("model_index.json") || paths.contains("unet/config.json")) {
    selector.result.layout = ModelLayout::kSdxl;
    selector.need("model_index.json");
    selector.need("scheduler/scheduler_config.json");
    for (const std::string folder : {"tokenizer", "tokenizer_2"}) {
      selector.need(folder + "/vocab.json");
      selector.need(folder + "/merges.txt");
      selector.take(folder + "/special_tokens_map.json");
      selector.take(folder + "/tokenizer_config.json");
    }
    for (const std::string folder : {"text_encoder", "text_encoder_2"}) {
      selector.need(folder + "/config.json");
      selector.need_weights(folder, "model");
    }
    for (const std::string folder : {"unet", "vae"}) {
      selector.need(folder + "/config.json");
      selector.need_weights(folder, "diffusion_pytorch_model");
    }
  } else if (const std::vector<std::string> part = weights_in(paths, "");
             paths.contains("config.json") && !part.empty() &&
             part.front().starts_with("diffusion_pytorch_model")) {
    selector.result.layout = ModelLayout::kPart;
    selector.result.files = part;
    selector.need("config.json");
  } else if (const std::string lone = lone_file(paths); !lone.empty()) {
    selector.result.layout = ModelLayout::kFile;
    selector.need(lone);
  }
  std::sort(selector.result.files.begin(), selector.result.files.end());
  return std::move(selector.result);
}

}  // namespace semblance
