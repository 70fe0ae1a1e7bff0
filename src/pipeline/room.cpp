#include "pipeline/room.h"

#include "core/messages.h"
#include "core/stop.h"
#include "memory/budget.h"
#include "pipeline/request_plan.h"
#include "runtime/device.h"

namespace semblance {

std::optional<std::uint64_t> room_on_card(const Workspace& workspace, std::uint64_t held_bytes) {
  const auto& limit = workspace.options().device_room;
  if (!limit || !limit->is_separate) return std::nullopt;
  const std::optional<std::int64_t> free = workspace.backend().device().free_bytes();
  if (!free) return std::nullopt;
  const std::int64_t room = static_cast<std::int64_t>(held_bytes) + *free;
  const auto bytes = static_cast<std::uint64_t>(std::max<std::int64_t>(0, room));
  return bytes < limit->bytes ? std::optional(bytes) : std::nullopt;
}

Workspace within_room(const Workspace& workspace, const std::optional<std::uint64_t>& on_card) {
  return on_card ? workspace.with_device_room(*on_card - *on_card / 32) : workspace;
}

namespace {

RequestPlanner planner_of(const std::vector<Stage>& stages, const Workspace& workspace,
                          const std::stop_token& stop) {
  return {stages, workspace.with_base(planned_base()), stop_check(stop)};
}

}  // namespace

void explain_refusal_on_card(const std::vector<Stage>& stages, const Workspace& workspace,
                             const std::stop_token& stop) {
  const auto& card = workspace.options().device_room;
  if (!card) return;
  const std::uint64_t least = planner_of(stages, workspace, stop).minimum_on_card();
  if (least <= card->bytes) return;
  fail(ErrorKind::kMemory, "{}",
       text_of(Message::kCannotContinueOnCard, bytes_text(least), bytes_text(card->bytes)));
}

void explain_refusal(const std::vector<Stage>& stages, const Workspace& workspace,
                     const std::stop_token& stop) {
  const std::uint64_t most = workspace.options().budget_bytes.value_or(~std::uint64_t{0});
  const std::uint64_t least = planner_of(stages, workspace, stop).minimum_budget();
  if (least <= most) return;
  fail(ErrorKind::kMemory, "{}",
       text_of(Message::kCannotContinue, bytes_text(least), bytes_text(most)));
}

}  // namespace semblance
