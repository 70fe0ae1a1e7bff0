// The backends there are.
#pragma once

#include <string_view>

#include "runtime/backend.h"

namespace semblance {

/// Plain loops in f32: slow, obvious, and the judge of every other backend.
const Backend& reference_backend();
/// oneDNN and Highway kernels, then the reference's.
const Backend& cpu_backend();

/// "ref" or "cpu"; Error(kArgument) listing the names otherwise.
const Backend& backend_by_name(std::string_view name);

/// Whether this processor multiplies bf16 natively (AVX-512 BF16 or AMX).
bool has_native_bf16();

}  // namespace semblance
