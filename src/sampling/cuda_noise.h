// Gaussian noise like torch's CUDA generator: torch.randn(..., generator=
// torch.Generator("cuda").manual_seed(seed)) in float32. Numbers agree to a few units in the last
// place, because GPUs round logarithms, sines and cosines differently.
//
// Sources: Philox4x32-10 (Salmon et al. 2011); curand_normal4; the loop in ATen's
// DistributionTemplates.h. In a large draw, the order of numbers depends on how many threads the
// GPU runs at once.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace semblance {

/// Philox4x32-10: four random words for a counter and a key.
std::array<std::uint32_t, 4> philox(std::uint64_t key, std::array<std::uint32_t, 4> counter);

/// A GPU and the threads that it runs at once.
struct GpuRow {
  std::string_view name;  // "T4", "RTX 3090"
  int multiprocessors;
  int threads_each;

  std::uint64_t threads() const;  // used by torch: blocks of 256 threads
};

std::span<const GpuRow> gpus();
/// Finds a GPU by name, ignoring case, spaces, hyphens, underscores and the words NVIDIA, GeForce
/// and Tesla in front; nullptr if there is none.
const GpuRow* find_gpu(std::string_view name);
/// "T4, P100, ...": for messages.
std::string gpu_names();

/// A stream of normal numbers. Not thread-safe.
class CudaNoise {
 public:
  /// For a GPU with this many threads. Without: for a GPU with enough threads for any draw, which
  /// AUTOMATIC1111 calls NV.
  explicit CudaNoise(std::uint64_t seed, std::optional<std::uint64_t> threads = {});

  /// Draws `total` numbers and fills dst with those from `begin` on: one picture of a batch.
  void randn(std::span<float> dst, std::size_t begin, std::size_t total);

 private:
  std::uint64_t seed_;
  std::optional<std::uint64_t> threads_;
  std::uint64_t offset_ = 0;  // counters used by each thread
};

}  // namespace semblance
