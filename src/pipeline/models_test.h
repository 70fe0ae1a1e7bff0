// Shared by this folder's tests.
#pragma once

#include "pipeline/request.h"
#include "tests/support/golden.h"

namespace semblance::testing {

/// A golden checkpoint's models: tools/oracle writes the adapter as an archive or as safetensors.
inline ModelPaths models_in(const std::filesystem::path& checkpoint) {
  return {checkpoint / "base", checkpoint / "identitynet", adapter_in(checkpoint)};
}

}  // namespace semblance::testing
