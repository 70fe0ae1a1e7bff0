// The reference kernels: plain loops, sums in double, one rounding at the end. Deliberately slow
// and obvious: every other backend is tested against them, and they are the fallback where no other
// kernel accepts.
//
// Every op but Reshape (a view, never run) has one. Float ops read any mix of f32, f16 and bf16;
// ops that only move elements take every dtype. dst may be the source named by may_overwrite().
#pragma once

#include <span>

#include "runtime/backend.h"

namespace semblance {

/// One kernel per op, named "reference".
std::span<const KernelEntry> reference_kernels();

}  // namespace semblance
