// The noise of DPM++ SDE: increments of one Brownian motion over noise levels. A seed gives the
// same path for any number of steps. Equal to diffusers' and k-diffusion's
// BrownianTreeNoiseSampler, that is torchsde's BrownianInterval (0.2.6) with halfway_tree, seeded
// by numpy's SeedSequence.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "sampling/sampler_base.h"

namespace semblance {

/// numpy.random.SeedSequence(seed, spawn_key=spawn, pool_size=24).generate_state(1)[0].
std::uint32_t seed_sequence(std::uint64_t seed, std::span<const std::uint64_t> spawn);

/// Thread-safe if `normals` is. Nothing is cached: each step walks down the tree, which takes about
/// 24 draws for each end of its span.
class BrownianTree {
 public:
  /// Fills dst with torch.randn of a new generator with this seed.
  using Normals = std::function<void(std::uint64_t seed, std::span<float> dst)>;

  /// A motion over the noise levels [least, largest].
  BrownianTree(std::uint64_t seed, float least, float largest, Normals normals);

  /// The motion's increment over the span divided by the square root of its length, so that its
  /// standard deviation is 1. Signed as in k-diffusion. Levels outside the range are clamped.
  /// `scratch` has kScratch times the size of dst.
  void between(NoiseSpan span, std::span<float> dst, std::span<float> scratch) const;
  static constexpr int kScratch = 3;

 private:
  struct Node;
  struct Scratch;
  void add(Node node, std::span<float> increment, double from, double to, std::span<float> dst,
           const Scratch& scratch) const;

  std::uint64_t seed_;
  double least_;
  double largest_;
  Normals normals_;
};

}  // namespace semblance
