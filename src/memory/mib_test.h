#pragma once

#include <cstdint>

namespace semblance {

inline constexpr std::uint64_t kMib = 1024 * 1024;

}  // namespace semblance
