// Keeps a request within a memory budget: finds the budget, plans the request and describes the
// plan. Shared by the command line and the service.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "app/subject.h"
#include "memory/budget.h"
#include "memory/meter.h"
#include "pipeline/request_defaults.h"
#include "pipeline/request_plan.h"
#include "sampling/scheduler_config.h"

namespace semblance {

/// How much memory may be held, and what this was derived from.
struct Budget {
  MachineMemory machine;
  std::uint64_t bytes = 0;
  std::uint64_t for_mode_bytes = 0;  // the argument for mode_for()
};
Budget budget_of(const MemoryRequest& request);

/// Whether the face detector starts at its small size.
bool is_reduced(const Budget& budget);

/// The stages of reading the photos; empty paths are skipped.
std::vector<Stage> photo_stages(SubjectReader& reader,
                                std::span<const std::filesystem::path> photos);

/// How much of a graphics card's memory sessions may use: the bytes that --gpu-memory names, or its
/// share of what is free now. Absent for a backend of the processor. Throws Error(kArgument) if the
/// card has less, and what opening the card throws.
std::optional<Workspace::Options::DeviceRoom> device_room(const Backend& backend,
                                                          const MemoryRequest& request);

/// `scratch`: a folder, or empty for the first one that is on a disk. Includes the machine facts
/// for the backend if they are known; otherwise they are measured now if `measure`, which takes
/// some seconds and stays within the budget. `card_memory`: for device_room(). Throws what
/// choose_scratch_folder() and device_room() throw.
Workspace::Options workspace_options(const Backend& backend, const Budget& budget,
                                     const std::filesystem::path& scratch, bool may_spill,
                                     bool measure, const MemoryRequest& card_memory = {});

/// How a request for a model or LoRA made for few steps is sampled, in one line; absent for others.
std::optional<std::string> few_steps_line(const RequestDefaults& defaults, const Request& request,
                                          const SchedulerConfig& scheduler);

/// What a quality (Request::quality) costs.
struct QualityTime {
  std::string_view name;  // "draft"
  int steps = 0;
  double seconds = 0;
};
/// Of each quality, from the plan of the same request with any number of steps.
std::vector<QualityTime> quality_times(const RequestPlan& plan, const Request& request,
                                       const RequestDefaults& defaults,
                                       const SchedulerConfig& scheduler);

/// "Mode: ...", "Predicted peak: ...", "Predicted time: ...".
std::vector<std::string> summary_of(const RequestPlan& plan, const Budget& budget,
                                    const Workspace& workspace);

/// "cannot fit: 1024x1024 needs at least 80 MiB on the graphics card NAME, the budget there is 64
/// MiB", and what to do; absent if its memory is enough.
std::optional<std::string> card_refusal_of(Size size, std::uint64_t minimum_card_bytes,
                                           const Workspace& workspace);

/// The least memory for a picture: of the process, and on a graphics card (0 without one).
struct LeastMemory {
  std::uint64_t bytes = 0;
  std::uint64_t card_bytes = 0;
};

/// card_refusal_of(), or "cannot fit: 1024x1024 needs at least 231 MiB, the budget is 200 MiB", and
/// what to do. `smaller`: a size that fits in the budget.
std::string refusal_of(Size size, const LeastMemory& least, std::uint64_t budget_bytes,
                       const std::optional<Size>& smaller, const Workspace& workspace);

/// "0:07", "12:30", "1:02:03".
std::string clock_text(double seconds);

}  // namespace semblance
