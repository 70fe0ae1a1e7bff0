// How `generate` and `plan` keep to a budget: they find it, plan the request, and tell the plan.
#pragma once

#include <string>
#include <vector>

#include "cli/request_flags.h"
#include "memory/meter.h"
#include "pipeline/request_plan.h"

namespace semblance::cli {

/// The budget of --memory, and what it was found from.
struct Budget {
  MachineMemory machine;
  std::uint64_t bytes = 0;
  std::uint64_t for_mode_bytes = 0;  // what mode_for() takes
};
Budget budget_of(const RequestSettings& s);

/// Whether the face detector starts small.
bool is_reduced(const Budget& budget);

/// What reading --face and --pose takes.
std::vector<Stage> photo_stages(SubjectReader& reader, const RequestSettings& s);

/// Throws what choose_scratch_folder() throws.
/// With the facts of the machine; where they are not known, `measure` says whether they are
/// measured now, which takes some seconds.
Workspace::Options workspace_options(const RequestSettings& s, const Budget& budget, bool measure);

/// "Mode: ...", "Predicted peak: ...", "Predicted time: ...".
std::vector<std::string> summary_of(const RequestPlan& plan, const Budget& budget,
                                    const Workspace& workspace);

/// "cannot fit: 1024x1024 needs at least 231 MiB, the budget is 200 MiB", and the way out.
/// `smaller`: a picture that fits in the budget.
std::string refusal_of(Size size, std::uint64_t minimum_bytes, std::uint64_t budget_bytes,
                       const std::optional<Size>& smaller);

}  // namespace semblance::cli
