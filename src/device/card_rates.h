// What cards compute and move per second, for predictions about cards that were not measured.
#pragma once

#include "device/vulkan_facts.h"
#include "runtime/machine_facts.h"

namespace semblance {

struct CardRates {
  double half_operations = 0;  // per second, of matrix products in f16
  double operations = 0;       // in f32
  double memory = 0;           // bytes per second, of the card's memory
  double upload = 0;           // bytes per second, from main memory
};

/// Assumed for cards of this kind: what the slower ones of the last years reach.
CardRates assumed_rates(const VulkanFacts& facts);

/// The planner's prices on a card that was not measured. Reading weights and moving values to the
/// scratch file take what they take on `host`.
MachineFacts assumed_facts(const CardRates& rates, const MachineFacts& host);

}  // namespace semblance
