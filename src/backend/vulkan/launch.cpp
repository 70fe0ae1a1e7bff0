#include "backend/vulkan/launch.h"

#include <algorithm>

namespace semblance::vulkan {

const Shader& shader(std::string_view name) {
  for (const Shader& one : shaders()) {
    if (one.name == name) return one;
  }
  fail(ErrorKind::kInternal, "no shader is called {}", name);
}

DevicePlace Slot::in(const KernelPlaces& places) const {
  switch (kind) {
    case Kind::kSrc:
      return places.src[static_cast<std::size_t>(src)];
    case Kind::kDst:
      return places.dst;
    case Kind::kScratch:
      break;
  }
  SEMBLANCE_ASSERT(offset + bytes <= places.scratch.bytes);
  return {places.scratch.region, places.scratch.offset + offset, bytes};
}

Dispatch Launch::in(const KernelPlaces& places) const {
  Dispatch dispatch{shader, constants, {}, push, groups};
  dispatch.subgroup_size = subgroup_size;
  for (const Slot& slot : slots) dispatch.buffers.push_back(slot.in(places));
  return dispatch;
}

std::vector<Dispatch> LaunchKernel::dispatches(const KernelPlaces& places) const {
  std::vector<Dispatch> dispatches;
  for (const Launch& launch : launches_) dispatches.push_back(launch.in(places));
  return dispatches;
}

std::array<std::uint32_t, 3> grid(std::int64_t groups) {
  constexpr std::int64_t kMost = 32768;  // Vulkan allows at least 65535
  const std::int64_t x = std::min(groups, kMost);
  return {word_of(x), word_of(divided_up(groups, std::max<std::int64_t>(x, 1))), 1};
}

std::string suffix_of(DType dtype) {
  SEMBLANCE_ASSERT(dtype == DType::kF32 || dtype == DType::kF16);
  return std::string(name_of(dtype));
}

const VulkanFacts& facts_of(const Device& device) {
  const auto* const vulkan = dynamic_cast<const VulkanDevice*>(&device);
  SEMBLANCE_ASSERT(vulkan != nullptr);
  return vulkan->facts();
}

namespace {

std::string why_not_bound(const TensorType& type, const VulkanFacts& facts) {
  if (type.bytes() > facts.largest_binding_bytes) {
    return fmt::format("{} has {} bytes, the card binds at most {}", to_string(type), type.bytes(),
                       facts.largest_binding_bytes);
  }
  if (type.shape.elements() > std::numeric_limits<std::int32_t>::max())
    return fmt::format("{} has 2^31 elements or more", to_string(type));
  return "";
}

}  // namespace

std::string why_not_placed(const NodeView& node, const Device& device) {
  const VulkanFacts& facts = facts_of(device);
  std::string why_not = why_not_bound(node.dst(), facts);
  for (int i = 0; i < node.src_count() && why_not.empty(); ++i)
    why_not = why_not_bound(node.src(i), facts);
  return why_not;
}

std::string why_not_stored(const NodeView& node, const Device& device, int i) {
  const DType dtype = node.src(i).dtype;
  if (dtype != DType::kF32 && dtype != DType::kF16)
    return fmt::format("source {} is {}, not f32 or f16", i, name_of(dtype));
  if (dtype == DType::kF16 && !facts_of(device).has_16_bit_storage)
    return fmt::format("source {} is f16, and the card has no 16-bit storage", i);
  return why_not_placed(node, device);
}

const MatrixShape* matrix_shape(const VulkanFacts& facts) {
  const auto is_size = [](std::uint32_t size) { return size == 8 || size == 16; };
  const MatrixShape* best = nullptr;
  for (const MatrixShape& shape : facts.matrices) {
    if (shape.factors != DType::kF16 || shape.sums != DType::kF32) continue;
    if (!is_size(shape.m) || !is_size(shape.n) || !is_size(shape.k)) continue;
    const auto size = [](const MatrixShape& s) { return s.m * s.n * s.k; };
    if (best == nullptr || size(shape) > size(*best)) best = &shape;
  }
  return best;
}

std::string why_not_matrices(const VulkanFacts& facts) {
  if (matrix_shape(facts) == nullptr || !facts.has_f16)
    return "the card has no cooperative matrices of f16 with f32 sums";
  if (asked_subgroup_size(facts) == 0 && !facts.has_one_subgroup_size)
    return "the card's subgroups have no fixed size";
  return "";
}

std::uint32_t asked_subgroup_size(const VulkanFacts& facts) {
  const auto found = std::ranges::find(facts.subgroup_sizes, facts.subgroup_size);
  return found == facts.subgroup_sizes.end() ? 0 : *found;
}

std::string why_not_group(const Device& device, std::uint32_t threads, std::uint64_t shared_bytes) {
  const VulkanFacts& facts = facts_of(device);
  if (threads > facts.most_group_size) {
    return fmt::format("a work group needs {} invocations, the card allows {}", threads,
                       facts.most_group_size);
  }
  if (shared_bytes > facts.shared_bytes) {
    return fmt::format("a work group needs {} bytes of shared memory, the card has {}",
                       shared_bytes, facts.shared_bytes);
  }
  return "";
}

}  // namespace semblance::vulkan
