// What tests ask of a refusal: its kind and what it says.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "core/error.h"

namespace semblance::testing {

/// The Error's kind and text, "missing: cannot ..."; "no error" when nothing is thrown. Any other
/// exception passes through and fails the test.
inline std::string error_of(const auto& action) {
  try {
    action();
  } catch (const Error& error) {
    return std::string(name_of(error.kind())) + ": " + error.what();
  }
  return "no error";
}

/// The action must fail with this kind and a text that holds `part`. Gives the kind and text, for
/// what else is asked of them.
inline std::string expect_error(ErrorKind kind, const std::string& part, const auto& action) {
  const std::string got = error_of(action);
  EXPECT_TRUE(got.starts_with(std::string(name_of(kind)) + ": ")) << got;
  EXPECT_NE(got.find(part), std::string::npos) << got << "\nshould hold: " << part;
  return got;
}

}  // namespace semblance::testing
