// The reference kernels: plain loops, sums in double, one rounding at the end. Slow and obvious on
// purpose: they are the judge of every other backend, and the last resort where none accepts.
//
// Every op but Reshape (a view, never run) has one. Float ops read any mix of f32, f16 and bf16;
// ops that only move elements take every dtype. dst may be the source named by may_overwrite().
#pragma once

#include <span>

#include "runtime/backend.h"

namespace semblance {

/// One kernel an op, named "reference".
std::span<const KernelEntry> reference_kernels();

}  // namespace semblance
