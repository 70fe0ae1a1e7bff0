// How the stages of a run keep to the memory there is now, in the machine and on a card. Other
// programs change it.
#pragma once

#include <algorithm>
#include <optional>
#include <stop_token>
#include <vector>

#include "core/error.h"
#include "pipeline/stage.h"

namespace semblance {

/// What a card with its own memory has for a session's places, if that is less than the workspace's
/// limit. `held_bytes`: of a session's places that are there already. Throws Error(kDevice).
std::optional<std::uint64_t> room_on_card(const Workspace& workspace, std::uint64_t held_bytes);

/// The workspace with this limit on the card, less a margin so that it lasts; with its own if there
/// is none.
Workspace within_room(const Workspace& workspace, const std::optional<std::uint64_t>& on_card);

/// After memory was refused: throws Error(kMemory) that says what these stages need and what there
/// is on the card, if they need more than the workspace's limit there.
void explain_refusal_on_card(const std::vector<Stage>& stages, const Workspace& workspace,
                             const std::stop_token& stop);
/// The same in the process, with the workspace's budget.
void explain_refusal(const std::vector<Stage>& stages, const Workspace& workspace,
                     const std::stop_token& stop);

/// Runs `work` with a workspace that keeps to the memory there is now, with a safety margin if
/// possible. Throws what it throws, or what the functions above throw; the latter for the process
/// only if the machine has less memory than the budget.
template <typename Work>
auto in_the_room(const Workspace& all, const std::vector<Stage>& stages,
                 const std::stop_token& stop, Work&& work) {
  const Workspace workspace = within_room(all, room_on_card(all, 0));
  const std::optional<MemoryRoom> room = workspace.room();
  const std::uint64_t budget = workspace.options().budget_bytes.value_or(~std::uint64_t{0});
  const std::uint64_t most = room ? std::min(budget, room->most_bytes) : budget;
  const std::uint64_t target = room ? std::min(budget, room->target_bytes) : budget;
  const Workspace limited = room ? workspace.with_budget(most) : workspace;
  try {
    if (target < most) return work(workspace.with_budget(target));
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kMemory) throw;
  }
  try {
    return work(limited);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kMemory) throw;
    explain_refusal_on_card(stages, limited, stop);
    if (most < budget) explain_refusal(stages, limited, stop);
    throw;
  }
}

}  // namespace semblance
