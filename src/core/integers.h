// Small arithmetic of whole numbers that every room needs.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace semblance {

/// An index or count, not negative, as standard containers want it.
constexpr std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// The least multiple of `step` that is not below `value`.
template <std::integral T>
constexpr T round_up(T value, std::type_identity_t<T> step) {
  return (value + step - 1) / step * step;
}

}  // namespace semblance
