// Checks of an Error's kind and text.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "core/error.h"

namespace semblance::testing {

/// The Error's kind and text, "missing: cannot ..."; "no error" if nothing is thrown. Any other
/// exception propagates and fails the test.
inline std::string error_of(const auto& action) {
  try {
    action();
  } catch (const Error& error) {
    return std::string(name_of(error.kind())) + ": " + error.what();
  }
  return "no error";
}

/// Expects the action to throw an Error of this kind whose text contains `part`. Returns the kind
/// and text for further checks.
inline std::string expect_error(ErrorKind kind, const std::string& part, const auto& action) {
  const std::string got = error_of(action);
  EXPECT_TRUE(got.starts_with(std::string(name_of(kind)) + ": ")) << got;
  EXPECT_NE(got.find(part), std::string::npos) << got << "\nshould contain: " << part;
  return got;
}

}  // namespace semblance::testing
