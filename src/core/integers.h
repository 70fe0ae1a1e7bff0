// Small integer arithmetic that every room needs.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace semblance {

/// A non-negative index or count as the type that standard containers use.
constexpr std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// The smallest multiple of `step` that is at least `value`.
template <std::integral T>
constexpr T round_up(T value, std::type_identity_t<T> step) {
  return (value + step - 1) / step * step;
}

}  // namespace semblance
