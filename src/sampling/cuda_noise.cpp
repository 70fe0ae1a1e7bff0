#include "sampling/cuda_noise.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/ascii.h"
#include "core/error.h"

namespace semblance {
namespace {

constexpr std::uint64_t kBlockThreads = 256;
constexpr std::uint64_t kUnroll = 4;  // numbers from one counter

// Multiprocessors, and the maximum threads of each by compute capability, from NVIDIA's tables.
constexpr std::array kGpus{
    GpuRow{"T4", 40, 1024},          GpuRow{"P100", 56, 2048},        GpuRow{"V100", 80, 2048},
    GpuRow{"A100", 108, 2048},       GpuRow{"A10", 72, 1536},         GpuRow{"A10G", 80, 1536},
    GpuRow{"L4", 58, 1536},          GpuRow{"L40S", 142, 1536},       GpuRow{"H100", 132, 2048},
    GpuRow{"H200", 132, 2048},       GpuRow{"GTX 1080 Ti", 28, 2048}, GpuRow{"RTX 2060", 30, 1024},
    GpuRow{"RTX 2080 Ti", 68, 1024}, GpuRow{"RTX 3060", 28, 1536},    GpuRow{"RTX 3070", 46, 1536},
    GpuRow{"RTX 3080", 68, 1536},    GpuRow{"RTX 3090", 82, 1536},    GpuRow{"RTX 4060", 24, 1536},
    GpuRow{"RTX 4070", 46, 1536},    GpuRow{"RTX 4080", 76, 1536},    GpuRow{"RTX 4090", 128, 1536},
};

std::string plain_gpu_name(std::string_view name) {
  std::string text = lower(name);
  std::erase_if(text, [](char c) { return c == ' ' || c == '_' || c == '-'; });
  for (const std::string_view word : {"nvidia", "geforce", "tesla"}) {
    if (text.starts_with(word)) text.erase(0, word.size());
  }
  return text;
}

/// curand_normal4: Box-Muller on each pair of words.
std::array<float, kUnroll> normals(const std::array<std::uint32_t, kUnroll>& words) {
  std::array<float, kUnroll> result;
  for (std::size_t i = 0; i < kUnroll; i += 2) {
    const float u = static_cast<float>(words[i]) * 0x1p-32F + 0x1p-33F;
    constexpr auto kTurn = static_cast<float>(2 * std::numbers::pi);
    const float angle = static_cast<float>(words[i + 1]) * (0x1p-32F * kTurn) + 0x1p-33F * kTurn;
    const float radius = std::sqrt(-2.0F * std::log(u));
    result[i] = radius * std::sin(angle);
    result[i + 1] = radius * std::cos(angle);
  }
  return result;
}

}  // namespace

std::array<std::uint32_t, 4> philox(std::uint64_t key, std::array<std::uint32_t, 4> counter) {
  auto low = static_cast<std::uint32_t>(key);
  auto high = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t first = std::uint64_t{0xD2511F53U} * counter[0];
    const std::uint64_t second = std::uint64_t{0xCD9E8D57U} * counter[2];
    counter = {static_cast<std::uint32_t>(second >> 32) ^ counter[1] ^ low,
               static_cast<std::uint32_t>(second),
               static_cast<std::uint32_t>(first >> 32) ^ counter[3] ^ high,
               static_cast<std::uint32_t>(first)};
    low += 0x9E3779B9U;
    high += 0xBB67AE85U;
  }
  return counter;
}

std::uint64_t GpuRow::threads() const {
  const auto blocks = static_cast<std::uint64_t>(threads_each) / kBlockThreads;
  return static_cast<std::uint64_t>(multiprocessors) * blocks * kBlockThreads;
}

std::span<const GpuRow> gpus() { return kGpus; }

const GpuRow* find_gpu(std::string_view name) {
  const std::string wanted = plain_gpu_name(name);
  const auto found = std::ranges::find_if(
      kGpus, [&](const GpuRow& row) { return plain_gpu_name(row.name) == wanted; });
  return found == kGpus.end() ? nullptr : &*found;
}

std::string gpu_names() {
  std::string names;
  for (const GpuRow& row : kGpus) names.append(names.empty() ? "" : ", ").append(row.name);
  return names;
}

CudaNoise::CudaNoise(std::uint64_t seed, std::optional<std::uint64_t> threads)
    : seed_(seed), threads_(threads) {
  SEMBLANCE_ASSERT(!threads || (*threads > 0 && *threads % kBlockThreads == 0));
}

void CudaNoise::randn(std::span<float> dst, std::size_t begin, std::size_t total) {
  SEMBLANCE_ASSERT(begin <= total && dst.size() <= total - begin);
  if (total == 0) return;
  const std::uint64_t needed = (total + kBlockThreads - 1) / kBlockThreads * kBlockThreads;
  const std::uint64_t threads = std::min(needed, threads_.value_or(needed));
  const std::uint64_t a_call = threads * kUnroll;
  // The draw is laid out in rows of `threads` numbers. A thread writes one column, four rows a
  // call.
  for (std::size_t i = 0; i < dst.size(); ++i) {
    const std::uint64_t index = begin + i;
    const std::uint64_t call = index / a_call;
    const std::uint64_t row = index % a_call / threads;
    const std::uint64_t thread = index % threads;
    const std::uint64_t counter = offset_ + call;
    const auto words = philox(
        seed_, {static_cast<std::uint32_t>(counter), static_cast<std::uint32_t>(counter >> 32),
                static_cast<std::uint32_t>(thread), static_cast<std::uint32_t>(thread >> 32)});
    dst[i] = normals(words)[row];
  }
  offset_ += (total + a_call - 1) / a_call;
}

}  // namespace semblance
