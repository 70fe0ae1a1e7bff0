// What a graphics card and its driver can do, as far as kernels and plans need to know.
#pragma once

#include <array>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "core/dtype.h"

namespace semblance {

class Json;

enum class CardType : std::uint8_t { kDiscrete, kIntegrated, kVirtual, kSoftware, kOther };
/// "discrete", "integrated", ...
std::string_view name_of(CardType type);

/// A shape of cooperative matrices, by subgroup: result [m,n] = a [m,k] b [k,n] + result.
struct MatrixShape {
  std::uint32_t m = 0, n = 0, k = 0;
  DType factors = DType::kF16;
  DType sums = DType::kF32;  // of the accumulator and the result
  bool operator==(const MatrixShape&) const = default;
};

struct VulkanFacts {
  std::string name;            // "NVIDIA GeForce RTX 3060"
  std::string driver;          // "radv", "NVIDIA", "lavapipe"
  std::string driver_version;  // as the driver writes it: "Mesa 26.1.6"
  std::uint32_t api_major = 0, api_minor = 0;
  std::uint32_t vendor_id = 0, device_id = 0;
  std::string uuid;  // of the card, 32 hex digits
  CardType type = CardType::kOther;

  std::uint64_t memory_bytes = 0;              // of the card's largest heap
  std::uint64_t largest_block_bytes = 0;       // of one allocation
  std::uint64_t largest_binding_bytes = 0;     // of one buffer of a launch
  std::uint64_t place_alignment = 0;           // that bindings need
  std::array<std::uint32_t, 3> most_groups{};  // work groups of a launch
  std::uint32_t most_group_size = 0;           // invocations of a work group
  std::uint32_t shared_bytes = 0;              // shared memory of a work group

  bool has_f16 = false;             // 16-bit float arithmetic in shaders
  bool has_16_bit_storage = false;  // 16-bit elements in storage buffers
  bool has_subgroup_arithmetic = false;
  bool has_push_descriptors = false;
  bool has_timeline_semaphores = false;
  bool has_memory_budget = false;      // the driver tells how much memory is free
  std::uint32_t subgroup_size = 0;     // the usual one
  bool has_one_subgroup_size = false;  // every launch has that one
  /// Sizes of subgroups that a launch can ask for (Dispatch::subgroup_size), ascending. Empty if it
  /// cannot ask.
  std::vector<std::uint32_t> subgroup_sizes;
  std::vector<MatrixShape> matrices;   // empty without cooperative matrices
  bool has_flexible_matrices = false;  // other multiples of their sides work, too

  bool operator==(const VulkanFacts&) const = default;

  /// Whether the card's memory is the processor's.
  bool shares_host_memory() const {
    return type == CardType::kIntegrated || type == CardType::kSoftware;
  }
};

nlohmann::ordered_json to_json(const VulkanFacts& facts);
/// Throws Error(kCorrupt) or Error(kMissing) if a value is wrong or missing.
VulkanFacts facts_from_json(const Json& json);

/// Why Semblance cannot compute on the card: the driver is too old, or lacks something. Empty if it
/// can.
std::string why_unusable(const VulkanFacts& facts);

}  // namespace semblance
