// Whether this is a sanitizer build. Its own heap and hooks make measuring memory impossible.
#pragma once

namespace semblance::testing {

#ifdef SEMBLANCE_SANITIZED
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

/// How many of a sweep's random cases to run. A sanitizer slows them ten to fifty times, and a few
/// cases reach the same code.
constexpr unsigned sweep(unsigned cases) { return kSanitized && cases > 8 ? cases / 8 : cases; }

}  // namespace semblance::testing
