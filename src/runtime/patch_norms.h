// The norms that DoRA needs: those of the whole patched tensor, so they are computed before its
// rows are read one by one.
#pragma once

#include <functional>
#include <span>

#include "weights/weight_patch.h"

namespace semblance {

/// Sets the ratio of every patch that has a norm: the wanted norm over that of W + scale D, where W
/// has the patches before it. Reads the tensor once for each, on all threads; the bits do not
/// depend on their number. Calls `check` again and again, which may throw. Throws what reading
/// throws, and Error(kMemory).
void find_ratios(const StoredTensor& tensor, std::span<WeightPatch> patches,
                 const std::function<void()>& check);

}  // namespace semblance
