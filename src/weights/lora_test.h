// LoRA files made in memory.
#pragma once

#include <limits>
#include <map>
#include <string>
#include <vector>

#include "weights/lora.h"
#include "weights/lora_model_test.h"
#include "weights/weights_test.h"

namespace semblance::testing {

/// Builds a safetensors file of f32 tensors.
class MadeLora {
 public:
  MadeLora& add(const std::string& name, const std::vector<std::int64_t>& shape,
                float value = 0.5F) {
    tensors_[name] = {shape, value};
    return *this;
  }
  /// Both factors of a linear layer.
  MadeLora& add_pair(const std::string& layer, std::int64_t rows, std::int64_t columns,
                     std::int64_t rank = 2) {
    add(layer + ".lora_up.weight", {rows, rank});
    return add(layer + ".lora_down.weight", {rank, columns});
  }
  MadeLora& metadata(const std::string& key, const std::string& text) {
    metadata_[key] = text;
    return *this;
  }

  std::shared_ptr<const File> file() const {
    nlohmann::json header = nlohmann::json::object();
    if (!metadata_.empty()) header["__metadata__"] = metadata_;
    std::string data;
    for (const auto& [name, tensor] : tensors_) {
      const std::size_t begin = data.size();
      for (std::int64_t i = 0; i < Shape(tensor.shape).elements(); ++i) {
        data.append(reinterpret_cast<const char*>(&tensor.value), sizeof(float));
      }
      header[name] = {
          {"dtype", "F32"}, {"shape", tensor.shape}, {"data_offsets", {begin, data.size()}}};
    }
    const std::string text = header.dump();
    return memory_file("style.safetensors", to_bytes(little_endian(text.size(), 8) + text + data));
  }

 private:
  struct Tensor {
    std::vector<std::int64_t> shape;
    float value = 0;
  };
  std::map<std::string, Tensor> tensors_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace semblance::testing
