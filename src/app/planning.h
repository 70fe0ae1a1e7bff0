// How a request keeps to a budget: the budget is found, the request planned, the plan told. The
// command line and the service say the same.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "app/subject.h"
#include "memory/budget.h"
#include "memory/meter.h"
#include "pipeline/request_plan.h"

namespace semblance {

/// What may be held, and what that was found from.
struct Budget {
  MachineMemory machine;
  std::uint64_t bytes = 0;
  std::uint64_t for_mode_bytes = 0;  // what mode_for() takes
};
Budget budget_of(const MemoryRequest& request);

/// Whether the face detector starts small.
bool is_reduced(const Budget& budget);

/// What reading photos takes; empty paths are left out.
std::vector<Stage> photo_stages(SubjectReader& reader,
                                std::span<const std::filesystem::path> photos);

/// `scratch`: a folder, or empty for the first that is on a disk. With the facts of the backend;
/// where they are not known, `measure` says whether they are measured now, which takes some
/// seconds and keeps to the budget. Throws what choose_scratch_folder() throws.
Workspace::Options workspace_options(const Backend& backend, const Budget& budget,
                                     const std::filesystem::path& scratch, bool may_spill,
                                     bool measure);

/// "Mode: ...", "Predicted peak: ...", "Predicted time: ...".
std::vector<std::string> summary_of(const RequestPlan& plan, const Budget& budget,
                                    const Workspace& workspace);

/// "cannot fit: 1024x1024 needs at least 231 MiB, the budget is 200 MiB", and the way out.
/// `smaller`: a picture that fits in the budget.
std::string refusal_of(Size size, std::uint64_t minimum_bytes, std::uint64_t budget_bytes,
                       const std::optional<Size>& smaller);

/// "0:07", "12:30", "1:02:03".
std::string clock_text(double seconds);

}  // namespace semblance
