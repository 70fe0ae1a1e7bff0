// The vulkan backend on the card that tools/vulkan_run provides.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>

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

/// The first card. Throws Error(kDevice) if it is not usable.
inline const VulkanDevice& card_device() {
  static const VulkanDevice device(choose_card(find_cards(), "gpu:0").facts);
  return device;
}

/// The first call registers it with backend_by_name().
inline const Backend& card_backend() {
  static const std::unique_ptr<const Backend> backend = vulkan_backend(card_device());
  static const bool is_known = (add_backend(*backend), true);
  SEMBLANCE_ASSERT(is_known);
  return *backend;
}

}  // namespace semblance::testing
