// Whether this is a sanitizer build. Its own heap and hooks make measuring memory impossible.
#pragma once

namespace semblance::testing {

#ifdef SEMBLANCE_SANITIZED
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace semblance::testing
