// A small SDXL for tests, twice: as one file with the original names, and as a diffusers folder
// with the same numbers. Made in a folder of the test from tests/goldens/weights/single_file, whose
// names and configs diffusers' converters have checked; the text encoders' tables repeat its rows
// until they have all of CLIP's tokens.
#pragma once

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "pipeline/model_paths.h"
#include "tests/support/golden.h"
#include "text/clip_vocabulary.h"
#include "weights/checkpoint.h"
#include "weights/single_file.h"
#include "weights/writer.h"

namespace semblance::testing {

class SingleFileModel {
 public:
  static constexpr const char* kParts[] = {"unet", "vae", "text_encoder", "text_encoder_2"};

  explicit SingleFileModel(std::filesystem::path folder) : folder_(std::move(folder)) {
    std::filesystem::create_directories(file().parent_path());
    const WeightFile golden = open_weight_file(golden_file());
    write(file(), golden.weights, golden.metadata, /*in_f32=*/false);
    make_folder();
  }

  static std::filesystem::path golden_file(const std::string& name = "tiny.safetensors") {
    return golden_path("weights/single_file/" + name);
  }
  /// Both are called "model", so that the texts in their pictures are the same.
  std::filesystem::path file() const { return folder_ / "one/model.safetensors"; }
  std::filesystem::path base() const { return folder_ / "many/model"; }
  static std::filesystem::path identitynet() { return golden_file("identitynet"); }
  static std::filesystem::path adapter() { return golden_file("ip-adapter.safetensors"); }

  ModelPaths paths(const std::filesystem::path& base) const {
    return {.base = base, .identitynet = identitynet(), .adapter = adapter()};
  }

  /// A file with the tensors of file() whose names begin with one of these.
  std::filesystem::path some_of_file(const std::string& name,
                                     const std::vector<std::string>& prefixes) const {
    const WeightFile all = open_weight_file(file());
    WeightMap some;
    for (const auto& [tensor_name, tensor] : all.weights) {
      const auto is_under = [&tensor_name = tensor_name](const std::string& prefix) {
        return tensor_name.starts_with(prefix);
      };
      if (std::ranges::any_of(prefixes, is_under)) some.add(tensor_name, tensor);
    }
    write(folder_ / name, some, {}, false);
    return folder_ / name;
  }

 private:
  static std::vector<std::byte> bytes_of(const StoredTensor& tensor, bool in_f32) {
    if (!in_f32) {
      std::vector<std::byte> bytes(tensor.bytes());
      tensor.file->read(tensor.offset, bytes);
      return bytes;
    }
    std::vector<std::byte> raw(tensor.rows_bytes(tensor.rows()));
    std::vector<float> values(static_cast<std::size_t>(tensor.shape.elements()));
    read_rows(tensor, 0, tensor.rows(), raw, values);
    const auto bytes = std::as_bytes(std::span(values));
    return {bytes.begin(), bytes.end()};
  }

  /// The tables of token embeddings are repeated.
  static void write(const std::filesystem::path& path, const WeightMap& weights,
                    const Metadata& metadata, bool in_f32) {
    std::vector<std::vector<std::byte>> bytes;
    bytes.reserve(weights.size());
    std::vector<TensorBytes> tensors;
    for (const auto& [name, tensor] : weights) {
      Shape shape = tensor.shape;
      bytes.push_back(bytes_of(tensor, in_f32));
      if (name.ends_with("token_embedding.weight") && shape[0] < kClipTokens) {
        const std::size_t row = bytes.back().size() / static_cast<std::size_t>(shape[0]);
        const std::size_t whole = row * static_cast<std::size_t>(kClipTokens);
        bytes.back().reserve(whole);
        while (bytes.back().size() < whole)
          bytes.back().push_back(bytes.back()[bytes.back().size() % (row * 571)]);
        shape = Shape{kClipTokens, shape[1]};
      }
      tensors.push_back({{name, in_f32 ? DType::kF32 : tensor.dtype, shape}, bytes.back()});
    }
    SafetensorsMetadata texts;
    for (const auto& [key, text] : metadata) texts[key] = text;
    write_safetensors(path, tensors, texts);
  }

  static void write_text(const std::filesystem::path& path, const std::string& text) {
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
  }

  void make_folder() const {
    const SingleFile golden = SingleFile::open(golden_file());
    std::ifstream configs(golden_file("tiny.configs.json"));
    const nlohmann::json all = nlohmann::json::parse(configs);
    for (const std::string part : kParts) {
      nlohmann::json config = all[part];
      const bool is_text = part.starts_with("text");
      if (is_text) config["vocab_size"] = kClipTokens;
      write_text(base() / part / "config.json", config.dump());
      write(base() / part / (is_text ? "model.safetensors" : "diffusion_pytorch_model.safetensors"),
            golden.weights(part), {}, true);
    }
    write_text(base() / "model_index.json",
               R"({"scheduler": ["diffusers", "EulerDiscreteScheduler"]})");
    write_text(base() / "scheduler/scheduler_config.json",
               R"({"_class_name": "EulerDiscreteScheduler", "num_train_timesteps": 1000,
                   "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
                   "timestep_spacing": "leading", "steps_offset": 1})");
    make_tokenizers();
  }

  /// The four files of the published folders.
  void make_tokenizers() const {
    const TokenizerFiles clip = clip_tokenizer_files(0);
    nlohmann::json ids;
    std::string merges = "#version: 0.2\n";
    for (std::size_t i = 0; i < clip.tokens.size(); ++i) ids[std::string(clip.tokens[i])] = i;
    for (const BytePairs::Merge& merge : clip.merges) {
      merges += fmt::format("{} {}\n", clip.tokens[static_cast<std::size_t>(merge.left)],
                            clip.tokens[static_cast<std::size_t>(merge.right)]);
    }
    const std::string vocabulary = ids.dump();
    for (const auto& [folder, pad] :
         {std::pair("tokenizer", "<|endoftext|>"), std::pair("tokenizer_2", "!")}) {
      write_text(base() / folder / "vocab.json", vocabulary);
      write_text(base() / folder / "merges.txt", merges);
      write_text(base() / folder / "tokenizer_config.json", R"({"model_max_length": 77})");
      const auto token = [](const char* content) {
        return nlohmann::json{{"content", content},
                              {"lstrip", false},
                              {"normalized", true},
                              {"rstrip", false},
                              {"single_word", false}};
      };
      const nlohmann::json special{{"bos_token", token("<|startoftext|>")},
                                   {"eos_token", token("<|endoftext|>")},
                                   {"unk_token", token("<|endoftext|>")},
                                   {"pad_token", pad}};
      write_text(base() / folder / "special_tokens_map.json", special.dump());
    }
  }

  std::filesystem::path folder_;
};

}  // namespace semblance::testing
