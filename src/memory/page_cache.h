// How much of a file is in the system's page cache.
#pragma once

#include <cstdint>

namespace semblance {

/// The share of a file's first `size` bytes that is in memory, 0 to 1. Exact if the system can tell
/// (Linux 6.5), else estimated from 64 pages, one at a random place in each 64th of the file; this
/// may bring those into the cache. 1 for an empty file. Thread-safe.
double cached_share(int descriptor, std::uint64_t size);

/// Always the estimate from 64 pages.
double cached_share_sampled(int descriptor, std::uint64_t size);

}  // namespace semblance
