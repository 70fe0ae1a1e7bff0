// What of a file lies in the system's page cache.
#pragma once

#include <cstdint>

namespace semblance {

/// The share of a file's first `size` bytes that lies in memory, 0 to 1: exact where the system can
/// tell (Linux 6.5), else of 64 pages, one at a random place of each 64th; those come into the
/// cache by that. 1 for an empty file. Thread-safe.
double cached_share(int descriptor, std::uint64_t size);

/// Only the second way, for systems that lack the first.
double cached_share_sampled(int descriptor, std::uint64_t size);

}  // namespace semblance
