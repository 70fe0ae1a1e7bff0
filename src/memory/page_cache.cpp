#include "memory/page_cache.h"

#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <random>

namespace semblance {
namespace {

constexpr std::uint64_t kPageBytes = 4096;

/// The share according to cachestat (Linux 6.5); nothing if the system lacks it.
std::optional<double> cached_share_exact(int descriptor, std::uint64_t size) {
  constexpr long kCachestat = 451;  // the same number on all processors
  struct {
    std::uint64_t offset;
    std::uint64_t length;
  } range{0, size};
  struct {
    std::uint64_t cached, dirty, writeback, evicted, recently_evicted;
  } pages{};
  if (syscall(kCachestat, descriptor, &range, &pages, 0U) != 0) return std::nullopt;
  const std::uint64_t all = (size + kPageBytes - 1) / kPageBytes;
  return std::min(1.0, static_cast<double>(pages.cached) / static_cast<double>(all));
}

}  // namespace

double cached_share_sampled(int descriptor, std::uint64_t size) {
  constexpr std::uint64_t kSamples = 64;
  std::minstd_rand random(20240115);
  int cached = 0;
  for (std::uint64_t i = 0; i < kSamples; ++i) {
    std::byte byte{};
    iovec place{&byte, 1};
    const std::uint64_t begin = size / kSamples * i;
    const std::uint64_t offset = begin + random() % std::max<std::uint64_t>(size / kSamples, 1);
    if (preadv2(descriptor, &place, 1, static_cast<off_t>(offset), RWF_NOWAIT) == 1) ++cached;
  }
  return cached / static_cast<double>(kSamples);
}

double cached_share(int descriptor, std::uint64_t size) {
  if (size == 0) return 1;
  const auto exact = cached_share_exact(descriptor, size);
  return exact ? *exact : cached_share_sampled(descriptor, size);
}

}  // namespace semblance
