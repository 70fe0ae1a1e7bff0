// Gaussian noise, bit for bit equal to torch's CPU generator: torch.randn(..., generator=
// torch.Generator("cpu").manual_seed(seed)) in float32, on processors with AVX2 (on others torch
// uses another logarithm, sine and cosine, which differ in the last bit).
//
// Sources: the Mersenne Twister mt19937 and the Box-Muller transform; the polynomials of the Cephes
// library (single precision), which torch's vectorised code evaluates with fused multiply-adds.
#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <span>

namespace semblance {

/// A stream of normal numbers. Not thread-safe.
class NoiseGenerator {
 public:
  /// As in torch, only the seed's low 32 bits count.
  explicit NoiseGenerator(std::uint64_t seed);

  /// Fills dst with the next numbers of mean 0 and standard deviation 1, like one call of
  /// torch.randn for dst.size() numbers. Two calls for 20 numbers differ from one call for 40.
  /// Below 16 numbers torch computes pairs in double precision and keeps the second of a pair for
  /// the next such call.
  void randn(std::span<float> dst) { randn(dst, 0, dst.size()); }
  /// torch.rand: numbers in [0, 1).
  void rand(std::span<float> dst);
  /// Draws `total` numbers and fills dst with those from `begin` on: one picture of a batch.
  void randn(std::span<float> dst, std::size_t begin, std::size_t total);

 private:
  float uniform();          // [0, 1), 24 bits
  double uniform_double();  // [0, 1), 53 bits
  double normal_double();

  std::mt19937 engine_;
  std::optional<double> kept_;
};

}  // namespace semblance
