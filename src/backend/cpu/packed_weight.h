// A kernel that reads one weight in blocks.
#pragma once

#include "backend/cpu/packing.h"
#include "runtime/host_device.h"

namespace semblance::cpu {

class PackedWeightKernel : public HostKernel {
 public:
  static constexpr int kWeight = 1;  // the source

  using HostKernel::HostKernel;
  virtual const onednn::WeightLayout& weight_layout() const = 0;

  std::size_t packed_bytes(int src) const override {
    return src == kWeight ? weight_layout().bytes : HostKernel::packed_bytes(src);
  }
  std::uint64_t layout(int src) const override {
    return src == kWeight ? onednn::hash_of(weight_layout()) : 0;
  }
  std::int64_t pack_rows(int src) const override {
    return src == kWeight ? onednn::pack_rows(weight_layout()) : HostKernel::pack_rows(src);
  }
  void pack(int src, const PackRows& rows, std::span<std::byte> packed) const override {
    if (src != kWeight) return HostKernel::pack(src, rows, packed);
    onednn::pack_weight(weight_layout(), rows.first, rows.count, rows.f32(), packed);
  }
};

}  // namespace semblance::cpu
