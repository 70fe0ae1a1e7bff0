// What a kernel of the vulkan backend is: compute shaders, and their launches for given places.
//
// A kernel knows nothing of Vulkan. It says which shader runs on which places, with which constants
// and how many work groups; the executor (vulkan_executor.h) makes the pipelines, records the
// launches and orders them with barriers.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "planner/plan.h"  // kPlaceAlignment
#include "runtime/device.h"

namespace semblance {

/// SPIR-V of a compute shader with the entry point "main", embedded in the program. Its words must
/// be static: pipelines are found by their address. `name` appears in messages.
struct Shader {
  std::string_view name;
  std::span<const std::uint32_t> words;
};

inline constexpr std::size_t kMostPushBytes = 128;  // what every Vulkan driver offers
inline constexpr std::size_t kMostBuffers = 16;     // of a launch

/// One launch of a shader.
///
/// Buffers are bound as storage buffers to bindings 0.. of set 0. Each must have at least one byte
/// and begin at a multiple of kPlaceAlignment (64): whole values, scratch and packed weights always
/// do, and so do views, because the planner copies what would not. A part of a place that begins
/// elsewhere is bound as the whole place, with the offset of its first element in `push`. A device
/// that needs more than 64 is refused. The shader sees exactly these bytes, rounded up to a
/// multiple of 4, so an odd number of 16-bit elements can be read as words. It must not write past
/// the exact size.
///
/// Two buffers may be the same place or overlap (the op may overwrite a source): then the shader
/// must not declare them `restrict`, and each invocation may only write what it alone reads.
struct Dispatch {
  const Shader* shader = nullptr;
  /// Specialization constants 0.., in the order of their constant_id; those the shader does not
  /// have are ignored. A work group's size is one of them if the shader declares local_size_x_id.
  std::vector<std::uint32_t> constants;
  std::vector<DevicePlace> buffers;
  std::vector<std::uint32_t> push;  // push constants from offset 0, at most kMostPushBytes bytes
  std::array<std::uint32_t, 3> groups{1, 1, 1};  // within VulkanFacts::most_groups
  /// buffers[i] with i >= writes_from are written (and may be read); the others are only read. -1:
  /// only the last one is written.
  int writes_from = -1;
  /// The size of subgroups that the shader needs, with all of them full: one of those that
  /// VulkanFacts lists. 0: the driver chooses.
  std::uint32_t subgroup_size = 0;
};

/// A kernel of the vulkan backend.
class VulkanKernel : public Kernel {
 public:
  explicit VulkanKernel(const NodeView& node) : Kernel(node), operations_(node.operations()) {}
  /// What it computes, to predict how long it takes.
  double operations() const { return operations_; }
  /// The launches in order; each sees what those before it wrote. Called when a session prepares
  /// its kernels, with the final places.
  virtual std::vector<Dispatch> dispatches(const KernelPlaces& places) const = 0;

 private:
  double operations_;
};

}  // namespace semblance
