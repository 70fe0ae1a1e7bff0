// A card for tests: the one that tools/vulkan_run provides, and a kernel that runs on it.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <vector>

#include "core/error.h"
#include "device/cards.h"
#include "device/vulkan_device.h"
#include "device/vulkan_kernel.h"
#include "multiply_add_spirv.h"

namespace semblance::testing {

/// Facts of the first card.
inline const VulkanFacts& card_facts() {
  static const VulkanFacts facts = [] {
    const Cards cards = find_cards();
    SEMBLANCE_ASSERT(!cards.cards.empty());
    return cards.cards[0].facts;
  }();
  return facts;
}

/// A case that computes on a card.
class CardTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (std::getenv("SEMBLANCE_VULKAN_DEVICE") == nullptr)
      GTEST_SKIP() << "run this with tools/vulkan_run";
  }
};

/// dst = src[0] * factor + src[1], elementwise in f32.
class MultiplyAdd : public VulkanKernel {
 public:
  explicit MultiplyAdd(float factor) : VulkanKernel(node_view()), factor_(factor) {}
  std::vector<Dispatch> dispatches(const KernelPlaces& places) const override {
    static constexpr Shader kShader{"multiply_add", multiply_add_spirv};
    constexpr std::uint32_t kGroup = 64;
    const auto count = static_cast<std::uint32_t>(places.dst.bytes / sizeof(float));
    Dispatch dispatch;
    dispatch.shader = &kShader;
    dispatch.constants = {kGroup, 1};
    dispatch.buffers = {places.src[0], places.src[1], places.dst};
    dispatch.push = {count, std::bit_cast<std::uint32_t>(factor_)};
    dispatch.groups = {(count + kGroup - 1) / kGroup, 1, 1};
    return {dispatch};
  }

 private:
  static NodeView node_view() {
    static const Graph graph = [] {
      Graph g;
      const TensorType type{DType::kF32, Shape{64}};
      const ValueId a = g.add_input("a", type);
      const ValueId b = g.add_input("b", type);
      g.add_output("sum", g.add(Binary{}, {a, b}));
      return g;
    }();
    return {graph, graph.nodes()[0]};
  }
  float factor_;
};

inline DevicePlace floats_at(std::uint64_t first, std::uint64_t count,
                             Region region = Region::kArena) {
  return {region, first * sizeof(float), count * sizeof(float)};
}

inline void write_floats(Executor& executor, const DevicePlace& place,
                         const std::vector<float>& values) {
  const std::span<std::byte> view = executor.begin_write(place);
  SEMBLANCE_ASSERT(view.size() == values.size() * sizeof(float));
  std::memcpy(view.data(), values.data(), view.size());
  executor.end_write(place);
}

inline std::vector<float> read_floats(Executor& executor, const DevicePlace& place) {
  const std::span<const std::byte> view = executor.begin_read(place);
  std::vector<float> values(view.size() / sizeof(float));
  std::memcpy(values.data(), view.data(), view.size());
  executor.end_read(place);
  return values;
}

}  // namespace semblance::testing
