#include "device/card_rates.h"

namespace semblance {
namespace {

constexpr double kTera = 1e12;
constexpr double kGiga = 1e9;

/// Attention computes at this share of matrix products' rate, with few keys at the second.
constexpr double kAttentionShare = 0.5;
constexpr double kShortAttentionShare = 0.2;
/// Elementwise kernels and norms reach this share of the memory's rate.
constexpr double kMemoryShare = 0.7;
constexpr double kLaunchSeconds = 5e-6;

KernelRates rates_of(double operations, double memory, double pack) {
  return {.linear = operations,
          .narrow_conv = operations,
          .wide_conv = operations,
          .attention = kAttentionShare * operations,
          .short_attention = kShortAttentionShare * operations,
          .elementwise = kMemoryShare * memory,
          .norm = kMemoryShare * memory,
          .gate = kMemoryShare * memory,
          .pack = pack};
}

}  // namespace

CardRates assumed_rates(const VulkanFacts& facts) {
  const bool has_matrices = !facts.matrices.empty();
  switch (facts.type) {
    case CardType::kDiscrete:
    case CardType::kVirtual:
      return {has_matrices ? 15 * kTera : 5 * kTera, 4 * kTera, 250 * kGiga, 6 * kGiga};
    case CardType::kSoftware:
      return {10 * kGiga, 10 * kGiga, 5 * kGiga, 5 * kGiga};
    default:
      return {has_matrices ? 4 * kTera : 1 * kTera, 1 * kTera, 50 * kGiga, 10 * kGiga};
  }
}

MachineFacts assumed_facts(const CardRates& rates, const MachineFacts& host) {
  MachineFacts facts = host;
  // Weights in f16 are copied as they are, on the host: as fast as it reads cached files.
  facts.f32 = rates_of(rates.operations, rates.memory, host.f32.pack);
  facts.half = rates_of(rates.half_operations, rates.memory, host.cached_read);
  facts.call_seconds = kLaunchSeconds;
  facts.upload = rates.upload;
  facts.measured_in_bytes = 0;
  facts.is_assumed = true;
  return facts;
}

}  // namespace semblance
