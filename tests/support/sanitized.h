// Whether a sanitizer has its own heap and hooks, beside which memory cannot be measured.
#pragma once

namespace semblance::testing {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace semblance::testing
