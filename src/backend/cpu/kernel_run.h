// For tests and benches: one node, computed by one backend's kernel from plain f32 values.
#pragma once

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "backend/backends.h"
#include "core/convert.h"
#include "memory/buffer.h"

namespace semblance::testing {

/// Normally distributed values, the same for the same seed.
inline std::vector<float> random_values(std::int64_t count, unsigned seed, float scale = 1.0F) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal(0.0F, scale);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = normal(engine);
  return values;
}

class KernelRun {
 public:
  struct Source {
    TensorType type;
    bool is_weight = false;
  };

  KernelRun(const Backend& backend, Op op, const std::vector<Source>& sources) {
    std::vector<ValueId> ids;
    for (std::size_t i = 0; i < sources.size(); ++i) {
      const std::string name = fmt::format("x{}", i);
      ids.push_back(sources[i].is_weight ? graph_.add_weight(name, sources[i].type)
                                         : graph_.add_input(name, sources[i].type));
    }
    const ValueId dst = graph_.add(std::move(op), ids);
    const NodeView node(graph_, graph_.nodes().back());
    chosen_ = choose_kernel(backend, node, &declined_);
    chosen_.kernel->compile();
    dst_type_ = graph_.type(dst);
    dst_ = Buffer(dst_type_.bytes(), Tag::kActivations);
    scratch_ = Buffer(chosen_.kernel->scratch_bytes(), Tag::kScratch);
    for (std::size_t i = 0; i < sources.size(); ++i) {
      const int index = static_cast<int>(i);
      src_.emplace_back(
          sources[i].is_weight ? chosen_.kernel->packed_bytes(index) : sources[i].type.bytes(),
          Tag::kActivations);
    }
    sources_ = sources;
  }

  void set(std::size_t i, std::span<const float> values) {
    if (sources_[i].is_weight) {
      const Shape& shape = sources_[i].type.shape;
      chosen_.kernel->pack(static_cast<int>(i), 0, shape.rank() == 0 ? 1 : shape[0], values,
                           src_[i].bytes());
    } else if (sources_[i].type.dtype == DType::kI32) {
      auto ints = src_[i].as<std::int32_t>();
      for (std::size_t j = 0; j < values.size(); ++j)
        ints[j] = static_cast<std::int32_t>(values[j]);
    } else {
      from_f32(values, sources_[i].type.dtype, src_[i].bytes());
    }
  }

  /// The bytes of a source that is no weight, as they are.
  void set_bytes(std::size_t i, std::span<const std::byte> bytes) {
    SEMBLANCE_ASSERT(bytes.size() == src_[i].size());
    std::memcpy(src_[i].data(), bytes.data(), bytes.size());
  }

  /// Runs with dst apart from every source, or in the place of source `overwritten`.
  void run(int overwritten = -1) {
    std::vector<const std::byte*> pointers;
    for (const Buffer& buffer : src_) pointers.push_back(buffer.data());
    overwritten_ = overwritten;
    chosen_.kernel->run({pointers, place().data(), scratch_.data()});
  }

  std::vector<float> result() {
    std::vector<float> values(static_cast<std::size_t>(dst_type_.shape.elements()));
    to_f32(dst_type_.dtype, place().bytes(), values);
    return values;
  }
  std::vector<std::byte> result_bytes() {
    const std::span<std::byte> bytes = place().bytes();
    return {bytes.begin(), bytes.end()};
  }
  const Kernel& kernel() const { return *chosen_.kernel; }
  std::string_view kernel_name() const { return chosen_.name; }
  const std::vector<std::string>& declined() const { return declined_; }
  const Buffer& source(std::size_t i) const { return src_[i]; }
  const TensorType& dst_type() const { return dst_type_; }

 private:
  Buffer& place() {
    return overwritten_ >= 0 ? src_[static_cast<std::size_t>(overwritten_)] : dst_;
  }

  Graph graph_;
  ChosenKernel chosen_;
  std::vector<std::string> declined_;
  std::vector<Source> sources_;
  std::vector<Buffer> src_;
  Buffer dst_, scratch_;
  TensorType dst_type_;
  int overwritten_ = -1;
};

}  // namespace semblance::testing
