// The types in which a backend computes a picture.
#pragma once

#include "pipeline/request.h"
#include "runtime/backend.h"

namespace semblance {

/// The precision that `auto` means for the backend. Throws Error(kDevice) for one that it does not
/// support.
Precision usable_precision(Precision precision, const Backend& backend);
DType dtype_of(Precision precision, const Backend& backend);

}  // namespace semblance
