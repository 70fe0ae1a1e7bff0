// Whether a sanitizer has its own heap and hooks, beside which memory cannot be measured.
#pragma once

namespace semblance::testing {

#ifdef SEMBLANCE_SANITIZED
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace semblance::testing
