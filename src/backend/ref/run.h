// What a reference kernel sees of a run: types and bytes, with elements of any dtype read and
// written as float. Private to backend/ref.
#pragma once

#include <algorithm>
#include <cstring>

#include "core/half.h"
#include "core/parallel.h"
#include "graph/op.h"
#include "runtime/host_device.h"

namespace semblance::reference {

/// Elements of f32, f16 or bf16, read as float.
class Floats {
 public:
  Floats(const std::byte* data, DType dtype) : data_(data), dtype_(dtype) {}
  float operator[](std::int64_t i) const {
    const auto index = static_cast<std::size_t>(i);
    if (dtype_ == DType::kF32) return reinterpret_cast<const float*>(data_)[index];
    const std::uint16_t bits = reinterpret_cast<const std::uint16_t*>(data_)[index];
    return dtype_ == DType::kBF16 ? bf16_to_f32(bits) : f16_to_f32(bits);
  }

 private:
  const std::byte* data_;
  DType dtype_;
};

/// The result's elements, rounded to nearest even when written.
class Result {
 public:
  Result(std::byte* data, DType dtype) : data_(data), dtype_(dtype) {}
  void set(std::int64_t i, double value) const {
    const auto index = static_cast<std::size_t>(i);
    const auto rounded = static_cast<float>(value);
    if (dtype_ == DType::kF32) {
      reinterpret_cast<float*>(data_)[index] = rounded;
    } else {
      reinterpret_cast<std::uint16_t*>(data_)[index] =
          dtype_ == DType::kBF16 ? f32_to_bf16(rounded) : f32_to_f16(rounded);
    }
  }

 private:
  std::byte* data_;
  DType dtype_;
};

/// One run of a node.
struct Run {
  std::span<const TensorType> types;  // of the sources
  const TensorType& dst_type;
  const KernelCall& call;

  const Shape& shape(std::size_t i) const { return types[i].shape; }
  Floats floats(std::size_t i) const { return {call.src[i], types[i].dtype}; }
  const std::int32_t* ints(std::size_t i) const {
    return reinterpret_cast<const std::int32_t*>(call.src[i]);
  }
  const double* doubles(std::size_t i) const {
    return reinterpret_cast<const double*>(call.src[i]);
  }
  Result result() const { return {call.dst, dst_type.dtype}; }
  /// Copies `count` elements, from index `from` of source `i` to index `to` of the result.
  void move(std::size_t i, std::int64_t from, std::int64_t to, std::int64_t count) const {
    const std::size_t size = size_of(dst_type.dtype);
    std::memcpy(call.dst + static_cast<std::size_t>(to) * size,
                call.src[i] + static_cast<std::size_t>(from) * size,
                static_cast<std::size_t>(count) * size);
  }
};

// linear.cpp, conv.cpp, attention.cpp
void run(const Linear& op, const Run& r);
void run(const Conv2d& op, const Run& r);
void run(const Attention& op, const Run& r);
/// For each worker, the scores of one row and its result.
std::size_t attention_scratch_bytes(const Shape& k, const Shape& v, std::int64_t heads);
// norm.cpp
void run(const GroupNorm& op, const Run& r);
void run(const GroupMoments& op, const Run& r);
void run(const GroupScale& op, const Run& r);
void run(const LayerNorm& op, const Run& r);
void run(const BatchNorm& op, const Run& r);
// elementwise.cpp
void run(const Unary& op, const Run& r);
void run(const Binary& op, const Run& r);
void run(const Affine& op, const Run& r);
void run(const PRelu& op, const Run& r);
void run(const Geglu& op, const Run& r);
void run(const Convert& op, const Run& r);
void run(const Sinusoid& op, const Run& r);
// movement.cpp
void run(const Concat& op, const Run& r);
void run(const Slice& op, const Run& r);
void run(const Paste& op, const Run& r);
void run(const Blank& op, const Run& r);
void run(const Spill& op, const Run& r);
void run(const Fetch& op, const Run& r);
void run(const Transpose& op, const Run& r);
void run(const Embedding& op, const Run& r);
void run(const TakeRow& op, const Run& r);
void run(const Upsample& op, const Run& r);
// pool.cpp
void run(const Pool& op, const Run& r);
// frequencies.cpp
void run(const ScaleLowFrequencies& op, const Run& r);
/// For each picture, the sums of seven waves over its pixels, for every channel.
std::size_t frequencies_scratch_bytes(const Shape& x);

}  // namespace semblance::reference
