#include "weights/checkpoint.h"

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/other_content.h"
#include "weights/fp8_scales.h"
#include "weights/gguf.h"
#include "weights/json_events.h"
#include "weights/names.h"
#include "weights/safetensors.h"
#include "weights/torch_legacy.h"
#include "weights/torch_zip.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxIndexBytes = 32 << 20;

struct Candidate {
  std::string_view name;
  bool is_index = false;
};
constexpr std::array<Candidate, 15> kCandidates = {{
    {"diffusion_pytorch_model.fp16.safetensors"},
    {"diffusion_pytorch_model.safetensors.index.fp16.json", true},
    {"diffusion_pytorch_model.fp16.safetensors.index.json", true},
    {"model.fp16.safetensors"},
    {"model.safetensors.index.fp16.json", true},
    {"model.fp16.safetensors.index.json", true},
    {"diffusion_pytorch_model.safetensors"},
    {"diffusion_pytorch_model.safetensors.index.json", true},
    {"model.safetensors"},
    {"model.safetensors.index.json", true},
    {"diffusion_pytorch_model.fp16.bin"},
    {"pytorch_model.fp16.bin"},
    {"diffusion_pytorch_model.bin"},
    {"pytorch_model.bin"},
    {"pytorch_model.bin.index.json", true},
}};

/// {"metadata": {...}, "weight_map": {"name": "shard", ...}}
class IndexEvents final : public JsonEvents {
 public:
  explicit IndexEvents(std::string file)
      : JsonEvents(std::move(file),
                   "an index of shards: {\"metadata\": {...}, \"weight_map\": {\"tensor\": "
                   "\"file\", ...}}") {}

  /// The names of tensors by shard.
  std::map<std::string, std::vector<std::string>> take() {
    if (!has_weight_map_) refuse("it has no weight_map");
    return std::move(shards_);
  }

 private:
  void on_object() override {
    if (depth() == 1 && in_weight_map_) {
      if (has_weight_map_) refuse("it has weight_map twice");
      has_weight_map_ = true;
    } else if (in_weight_map_) {
      refuse_unexpected("an object in weight_map");
    }
  }
  void on_key(std::string& name) override {
    if (depth() == 1) in_weight_map_ = name == "weight_map";
    if (depth() == 2) tensor_ = std::move(name);
  }
  void on_string(std::string& value) override {
    if (!in_weight_map_) return;
    if (depth() != 2) refuse_unexpected("text instead of weight_map");
    if (value.empty() || value == "." || value == ".." ||
        value.find_first_of("/\\") != std::string::npos || has_control_bytes(value)) {
      refuse(fmt::format("tensor {} is in \"{}\", which is not a file name in the same folder",
                         printable(tensor_), printable(value)));
    }
    shards_[std::move(value)].push_back(std::move(tensor_));
  }
  // "metadata" may hold anything.
  void on_unsigned(std::uint64_t) override { on_other(); }
  void on_other() override {
    if (in_weight_map_) refuse_unexpected("a number, true, false or null in weight_map");
  }
  void on_array() override {
    if (in_weight_map_ || depth() == 0) refuse_unexpected("an array");
  }

  bool in_weight_map_ = false;
  bool has_weight_map_ = false;
  std::string tensor_;
  std::map<std::string, std::vector<std::string>> shards_;
};

constexpr std::string_view kWanted = "a safetensors, GGUF or torch file";
constexpr std::string_view kSaveAgain =
    "load it with a recent torch and save it again with torch.save(state_dict) or as safetensors";

[[noreturn]] void refuse_format(const File& file, std::string_view what, std::string_view way_out) {
  fail(ErrorKind::kCorrupt, "cannot read {}: expected {}, got {}\n  {}", file.name(), kWanted, what,
       way_out);
}

/// Without scales applied.
WeightFile read_stored(std::shared_ptr<const File> file) {
  std::string head(std::min<std::uint64_t>(file->size(), kContentBytes), '\0');
  file->read(0, std::as_writable_bytes(std::span(head)));
  const std::string_view bytes = head;
  if (bytes.starts_with("PK\3\4") || bytes.starts_with("PK\5\6")) {
    return {read_torch_zip(std::move(file)), {}};
  }
  if (is_torch_legacy(bytes)) return {read_torch_legacy(std::move(file)), {}};
  if (bytes.starts_with("GGUF")) return read_gguf(std::move(file));
  const bool has_brace = bytes.size() > 8 && bytes[8] == '{';
  // The length before a safetensors header ends in zeros; text would have letters there.
  if (has_brace && bytes[7] == '\0') return read_safetensors_file(file);
  refuse_other_content(file->name(), kWanted, bytes);
  if (const std::string_view text = from_first_visible(bytes);
      text.starts_with('<') || text.starts_with('{')) {
    refuse_format(*file, text.starts_with('<') ? "XML text" : "JSON text",
                  "it may say why the download failed: read it, then download again");
  }
  if (has_brace) return read_safetensors_file(file);  // reports the wrong length
  if (bytes.empty()) refuse_format(*file, "an empty file", "download it again");
  if (bytes[0] == '\x80') refuse_format(*file, "a pickle without torch's magic number", kSaveAgain);
  if (bytes.size() > 262 && bytes.substr(257, 5) == "ustar") {
    refuse_format(*file, "a tar archive", kSaveAgain);
  }
  refuse_format(*file, "something else", "download it again, or convert it to safetensors");
}

WeightMap open_shards(const fs::path& index) {
  IndexEvents events(index.string());
  events.read(read_small_file(index, kMaxIndexBytes));
  WeightFile all;
  for (const auto& [shard, names] : events.take()) {
    const fs::path path = index.parent_path() / shard;
    std::error_code ignored;
    if (!fs::exists(path, ignored)) {
      fail(ErrorKind::kMissing,
           "cannot read {}: {} tensors are in {}, which is missing\n  download that file too",
           index.string(), names.size(), path.string());
    }
    const WeightFile held = read_stored(open_file(path));
    all.metadata.insert(held.metadata.begin(), held.metadata.end());
    for (const std::string& name : names) {
      const StoredTensor* tensor = held.weights.find(name);
      if (tensor == nullptr) {
        fail(ErrorKind::kCorrupt,
             "cannot read {}: it says that {} is in {}, which does not contain it", index.string(),
             printable(name), path.string());
      }
      all.weights.add(name, *tensor);
    }
  }
  return scaled(all);
}

}  // namespace

bool has_weight_extension(const fs::path& path) {
  constexpr std::string_view kExtensions[] = {".safetensors", ".ckpt", ".pt",
                                              ".pth",         ".bin",  ".gguf"};
  return std::ranges::find(kExtensions, path.extension().string()) != std::end(kExtensions);
}

WeightFile read_weight_file(std::shared_ptr<const File> file) {
  WeightFile stored = read_stored(std::move(file));
  WeightMap weights = scaled(stored);
  return {std::move(weights), std::move(stored.metadata)};
}

WeightFile open_weight_file(const fs::path& path) { return read_weight_file(open_file(path)); }

WeightMap open_weights(const fs::path& path) { return open_weight_file(path).weights; }

WeightMap open_component(const fs::path& folder) {
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored)) {
    fail(ErrorKind::kMissing, "cannot read weights from {}: there is no such folder",
         folder.string());
  }
  for (const auto& [name, is_index] : kCandidates) {
    const fs::path path = folder / name;
    if (!fs::exists(path, ignored)) continue;
    return is_index ? open_shards(path) : open_weights(path);
  }
  std::string looked_for;
  for (const auto& [name, is_index] : kCandidates) {
    looked_for += fmt::format("{}{}", looked_for.empty() ? "" : ", ", name);
  }
  fail(ErrorKind::kMissing, "cannot read weights from {}: it has no weight files\n  looked for {}",
       folder.string(), looked_for);
}

}  // namespace semblance
