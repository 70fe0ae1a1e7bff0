#include "app/planning.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "backend/backends.h"
#include "core/messages.h"
#include "device/card_rates.h"
#include "device/vulkan_device.h"
#include "memory/scratch_file.h"
#include "pipeline/hires.h"
#include "pipeline/picture_sampler.h"

namespace semblance {

Budget budget_of(const MemoryRequest& request) {
  Budget budget{.machine = Meter().machine()};
  budget.bytes = budget_bytes_of(request, budget.machine);
  budget.for_mode_bytes = request.is_named() ? budget.bytes : budget.machine.for_run_bytes();
  return budget;
}

bool is_reduced(const Budget& budget) {
  return mode_for(budget.for_mode_bytes, 0) != Mode::kNormal;
}

std::vector<Stage> photo_stages(SubjectReader& reader,
                                std::span<const std::filesystem::path> photos) {
  std::vector<Stage> stages;
  for (const auto& path : photos) {
    if (path.empty()) continue;
    for (Stage& stage : reader.stages(path)) stages.push_back(std::move(stage));
  }
  return stages;
}

namespace {

/// Used where the processor was not measured either.
MachineFacts usual_host() {
  MachineFacts host;
  host.f32.pack = 2e9;
  host.cached_read = 5e9;
  host.disk_read = host.scratch_write = 5e8;
  return host;
}

std::shared_ptr<const MachineFacts> facts_for(const Backend& backend,
                                              const std::filesystem::path& scratch, bool measure,
                                              std::uint64_t budget_bytes) {
  const auto* const card = dynamic_cast<const VulkanDevice*>(&backend.device());
  std::optional<MachineFacts> facts, host;
  try {
    const auto folder = scratch.empty() ? choose_scratch_folder({}) : scratch;
    facts = known_machine_facts(backend, folder);
    if (card != nullptr && !facts) host = known_machine_facts(cpu_backend(), folder);
    const bool is_software = card != nullptr && card->facts().type == CardType::kSoftware;
    if (measure && !is_software && (!facts || facts->measured_in_bytes > 0)) {
      facts = machine_facts(backend, folder, {.room_bytes = room_in(budget_bytes)});
    }
  } catch (const Error&) {
    // No scratch folder (whoever needs one reports that), or too little memory to measure in.
  }
  if (card != nullptr && !facts)
    facts = assumed_facts(assumed_rates(card->facts()), host.value_or(usual_host()));
  return facts ? std::make_shared<MachineFacts>(*facts) : nullptr;
}

}  // namespace

std::optional<Workspace::Options::DeviceRoom> device_room(const Backend& backend,
                                                          const MemoryRequest& request) {
  const auto* const card = dynamic_cast<const VulkanDevice*>(&backend.device());
  if (card == nullptr) return std::nullopt;
  const CardMemory memory = card->memory();
  if (request.is_named() && request.bytes > memory.total_bytes) {
    fail(ErrorKind::kArgument,
         "cannot take --gpu-memory: {} has {}, got {}\n  leave it out to use {} % of what is free",
         card->name(), bytes_text(memory.total_bytes), bytes_text(request.bytes), kAutoShare * 100);
  }
  const auto share =
      static_cast<std::uint64_t>(request.share * static_cast<double>(memory.free_bytes));
  return Workspace::Options::DeviceRoom{request.is_named() ? request.bytes : share,
                                        !card->facts().shares_host_memory()};
}

Workspace::Options workspace_options(const Backend& backend, const Budget& budget,
                                     const std::filesystem::path& scratch, bool may_spill,
                                     bool measure, const MemoryRequest& card_memory) {
  Workspace::Options options;
  options.budget_bytes = budget.bytes;
  options.device_room = device_room(backend, card_memory);
  options.may_spill = may_spill;
  if (!scratch.empty()) options.scratch_folder = choose_scratch_folder(scratch);
  options.facts = facts_for(backend, options.scratch_folder, measure, budget.bytes);
  return options;
}

std::optional<std::string> few_steps_line(const RequestDefaults& defaults, const Request& request,
                                          const SchedulerConfig& scheduler) {
  const std::optional<FewSteps> few = defaults.few_steps(request);
  if (!few) return std::nullopt;
  const Request complete = defaults.complete(request);
  std::string guidance = fmt::format("{}", complete.guidance_scale());
  if (const double end = complete.last_guided(); end < 1)
    guidance = text_of(Message::kGuidanceUpTo, guidance, std::floor(end * complete.step_count()));
  return text_of(Message::kFewSteps, few->name, complete.step_count(),
                 sampler_in_use(complete, scheduler).sampler->title, guidance);
}

namespace {

/// How many pictures the steps compute: two with guidance, one without.
double pictures_in(const Request& request, int evaluations) {
  if (request.guidance_scale() <= 1) return evaluations;
  return evaluations + std::floor(request.last_guided() * evaluations);
}

}  // namespace

std::vector<QualityTime> quality_times(const RequestPlan& plan, const Request& request,
                                       const RequestDefaults& defaults,
                                       const SchedulerConfig& scheduler) {
  double in_steps = 0;
  int evaluations = 0;
  for (const StagePlan& stage : plan.stages) {
    if (stage.id != StageId::kDenoiser && stage.id != StageId::kDenoiserAlone) continue;
    in_steps += stage.seconds;
    evaluations += stage.runs;
  }
  const double pictures = std::max(1.0, pictures_in(defaults.complete(request), evaluations));
  std::vector<QualityTime> times;
  for (const std::string_view name : kQualityNames) {
    Request of_quality = request;
    of_quality.steps.reset();
    of_quality.quality = std::string(name);
    of_quality = defaults.complete(std::move(of_quality));
    const int own = evaluations_before(of_quality, passes_of(of_quality), scheduler);
    times.push_back({name, of_quality.step_count(),
                     plan.seconds - in_steps + in_steps * pictures_in(of_quality, own) / pictures});
  }
  return times;
}

std::vector<std::string> summary_of(const RequestPlan& plan, const Budget& budget,
                                    const Workspace& workspace) {
  const Mode mode = mode_for(budget.for_mode_bytes, 0);
  std::vector<std::string> lines{
      text_of(Message::kPlanMode, text_of(title_of(mode)), bytes_text(budget.bytes))};
  if (plan.scratch_bytes > 0) {
    const auto& folder = workspace.options().scratch_folder;
    lines.push_back(text_of(Message::kPlanScratch, bytes_text(plan.peak_bytes),
                            bytes_text(plan.scratch_bytes),
                            folder.empty() ? choose_scratch_folder({}).string() : folder.string()));
  } else {
    lines.push_back(text_of(Message::kPlanPeak, bytes_text(plan.peak_bytes)));
  }
  if (const auto& room = workspace.options().device_room) {
    // Of a card that shares the machine's memory, the process' peak has it.
    lines.push_back(text_of(
        Message::kPlanCard, workspace.backend().device().name(), bytes_text(room->bytes),
        bytes_text(room->is_separate ? plan.card_bytes : std::min(room->bytes, plan.peak_bytes))));
  }
  lines.push_back(
      text_of(Message::kPlanTime, clock_text(plan.seconds), clock_text(plan.step_seconds)));
  if (const auto& facts = workspace.options().facts; facts && facts->is_assumed)
    lines.push_back(text_of(Message::kPlanAssumed, workspace.backend().device().name()));
  return lines;
}

std::optional<std::string> card_refusal_of(Size size, std::uint64_t minimum_card_bytes,
                                           const Workspace& workspace) {
  const auto& room = workspace.options().device_room;
  if (!room || minimum_card_bytes <= room->bytes) return std::nullopt;
  return text_of(Message::kCannotFitOnCard, fmt::format("{}x{}", size.w, size.h),
                 bytes_text(minimum_card_bytes), workspace.backend().device().name(),
                 bytes_text(room->bytes)) +
         "\n  " + text_of(Message::kTryGpuMemory, bytes_flag(minimum_card_bytes));
}

std::string refusal_of(Size size, const LeastMemory& least, std::uint64_t budget_bytes,
                       const std::optional<Size>& smaller, const Workspace& workspace) {
  if (const auto on_card = card_refusal_of(size, least.card_bytes, workspace)) return *on_card;
  const std::string text = text_of(Message::kCannotFit, fmt::format("{}x{}", size.w, size.h),
                                   bytes_text(least.bytes), bytes_text(budget_bytes));
  const std::string advice =
      smaller ? text_of(Message::kTrySmaller, fmt::format("{}x{}", smaller->w, smaller->h),
                        bytes_text(budget_bytes), bytes_flag(least.bytes))
              : text_of(Message::kTryMemory, bytes_flag(least.bytes));
  return text + "\n  " + advice;
}

std::string clock_text(double seconds) {
  const auto whole = static_cast<long long>(std::ceil(seconds));
  if (whole >= 3600)
    return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

}  // namespace semblance
