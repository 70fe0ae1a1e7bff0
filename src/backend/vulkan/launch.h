// What the vulkan backend's kernels share: launches whose places come later, and the reasons to
// decline. Private to backend/vulkan.
#pragma once

#include <bit>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "backend/vulkan/shaders.h"
#include "core/error.h"
#include "device/vulkan_device.h"

namespace semblance::vulkan {

/// A place of a node: one of its sources, its result or a part of its scratch.
struct Slot {
  enum class Kind : std::uint8_t { kSrc, kDst, kScratch };
  Kind kind = Kind::kDst;
  int src = 0;
  std::uint64_t offset = 0;  // of a part of the scratch
  std::uint64_t bytes = 0;

  static Slot of_src(int i) { return {Kind::kSrc, i, 0, 0}; }
  static Slot of_dst() { return {}; }
  /// `offset` is a multiple of kPlaceAlignment.
  static Slot of_scratch(std::uint64_t offset, std::uint64_t bytes) {
    return {Kind::kScratch, 0, offset, bytes};
  }
  DevicePlace in(const KernelPlaces& places) const;
};

/// A launch without places. The last slot is written.
struct Launch {
  const Shader* shader = nullptr;
  std::vector<std::uint32_t> constants;
  std::vector<Slot> slots;
  std::vector<std::uint32_t> push;
  std::array<std::uint32_t, 3> groups{1, 1, 1};
  std::uint32_t subgroup_size = 0;  // Dispatch::subgroup_size

  Dispatch in(const KernelPlaces& places) const;
};

/// A kernel that is a fixed list of launches.
class LaunchKernel : public VulkanKernel {
 public:
  LaunchKernel(const NodeView& node, std::vector<Launch> launches, std::size_t scratch_bytes = 0)
      : VulkanKernel(node), launches_(std::move(launches)), scratch_bytes_(scratch_bytes) {}
  std::size_t scratch_bytes() const override { return scratch_bytes_; }
  std::vector<Dispatch> dispatches(const KernelPlaces& places) const override;

 private:
  std::vector<Launch> launches_;
  std::size_t scratch_bytes_;
};

inline std::uint32_t word_of(float value) { return std::bit_cast<std::uint32_t>(value); }
inline std::uint32_t word_of(bool value) { return value ? 1 : 0; }
template <std::integral T>
std::uint32_t word_of(T value) {
  if constexpr (std::is_signed_v<T>) {
    SEMBLANCE_ASSERT(value >= std::numeric_limits<std::int32_t>::min() &&
                     value <= std::numeric_limits<std::uint32_t>::max());
  } else {
    SEMBLANCE_ASSERT(value <= std::numeric_limits<std::uint32_t>::max());
  }
  return static_cast<std::uint32_t>(value);
}
/// Words of constants or push constants.
template <typename... T>
std::vector<std::uint32_t> words(T... values) {
  return {word_of(values)...};
}

constexpr std::int64_t divided_up(std::int64_t value, std::int64_t by) {
  return (value + by - 1) / by;
}

/// Groups of a grid of one dimension (GRID_INDEX of prelude.glsl).
std::array<std::uint32_t, 3> grid(std::int64_t groups);

/// Invocations of a work group of the kernels that compute each element on its own.
inline constexpr std::uint32_t kThreads = 128;

/// "f32" or "f16"; such a type only.
std::string suffix_of(DType dtype);

const VulkanFacts& facts_of(const Device& device);
/// Why no kernel can work on the node's places on this card; empty if one can: a place is larger
/// than a binding, or has too many elements for the shaders' 32-bit numbers.
std::string why_not_placed(const NodeView& node, const Device& device);
/// The same; and the numbers of source `i` must be of a type that the card's shaders can read.
std::string why_not_stored(const NodeView& node, const Device& device, int i = 0);
/// The shape of cooperative matrices to use: the card's largest of f16 with f32 sums, with sides of
/// 8 and 16, which every tile is a multiple of. nullptr if it has none.
const MatrixShape* matrix_shape(const VulkanFacts& facts);
/// Why the shaders with cooperative matrices cannot run; empty if they can.
std::string why_not_matrices(const VulkanFacts& facts);
/// Dispatch::subgroup_size of those shaders: the card's usual one, unless it knows no other.
std::uint32_t asked_subgroup_size(const VulkanFacts& facts);

/// Why a work group of this size and shared memory cannot run; empty if it can.
std::string why_not_group(const Device& device, std::uint32_t threads, std::uint64_t shared_bytes);

}  // namespace semblance::vulkan
