// Explains a program to people: which kernels run it and why others declined, what is kept and cut,
// what is read and spilled, and how long each pass took.
#pragma once

#include <string>

#include "planner/plan.h"
#include "runtime/backend.h"

namespace semblance {

std::string explain(const Program& program, const PlanLog& log, const Backend& backend);

}  // namespace semblance
