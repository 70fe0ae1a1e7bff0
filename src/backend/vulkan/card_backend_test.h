// The vulkan backend on the card that tools/vulkan_run provides.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <vector>

#include "backend/backends.h"
#include "backend/vulkan/vulkan.h"
#include "device/cards.h"
#include "device/vulkan_device.h"

namespace semblance::testing {

/// To be called in SetUp().
inline void skip_without_card() {
  if (std::getenv("SEMBLANCE_VULKAN_DEVICE") == nullptr)
    GTEST_SKIP() << "run this with tools/vulkan_run";
}

/// Destroys what the tests share, the last first, before the program exits: then drivers and layers
/// are still there.
class SharedUntilTheEnd : public ::testing::Environment {
 public:
  template <typename T>
  T& keep(std::unique_ptr<T> object) {
    T& kept = *object;
    kept_.push_back(std::move(object));
    return kept;
  }
  void TearDown() override {
    while (!kept_.empty()) kept_.pop_back();
  }

 private:
  std::vector<std::shared_ptr<const void>> kept_;
};
inline auto* const kShared = static_cast<SharedUntilTheEnd*>(
    ::testing::AddGlobalTestEnvironment(std::make_unique<SharedUntilTheEnd>().release()));

/// The first card. It keeps no compiled shaders; drivers have caches of their own. Throws
/// Error(kDevice) if it is not usable.
inline const VulkanDevice& card_device() {
  static const VulkanDevice& device = kShared->keep(std::make_unique<const VulkanDevice>(
      choose_card(find_cards(), "gpu:0").facts, VulkanDevice::Options{.pipeline_folder = {}}));
  return device;
}

/// The first call registers it with backend_by_name().
inline const Backend& card_backend() {
  static const Backend& backend = [&]() -> const Backend& {
    const Backend& made = kShared->keep(vulkan_backend(card_device()));
    add_backend(made);
    return made;
  }();
  return backend;
}

}  // namespace semblance::testing
