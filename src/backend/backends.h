// The backends there are.
#pragma once

#include <string_view>

#include "runtime/backend.h"

namespace semblance {

/// Plain loops in f32: slow, obvious, and the judge of every other backend.
const Backend& reference_backend();
/// oneDNN and Highway kernels, then the reference's.
const Backend& cpu_backend();

/// "ref" or "cpu"; Error(kArgument) listing the names otherwise. Here alone a run's backend is
/// chosen.
const Backend& backend_by_name(std::string_view name);
/// Makes one more known by its name, for tests. It outlives all use; before other threads ask.
void add_backend(const Backend& backend);

/// Whether this processor multiplies bf16 natively (AVX-512 BF16 or AMX).
bool has_native_bf16();

}  // namespace semblance
