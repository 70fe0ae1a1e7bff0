// The graphics cards of this machine, and the choice of one.
//
// Drivers can crash or hang when they are loaded or asked what they can do, so a child process asks
// them.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "device/vulkan_api.h"
#include "device/vulkan_facts.h"
#include "memory/meter.h"

namespace semblance {

struct Card {
  VulkanFacts facts;             // only the name if its driver failed when asked
  std::uint64_t free_bytes = 0;  // of its memory, as its driver said just now
  std::string why_not;           // why Semblance cannot compute on it; empty if it can

  bool is_usable() const { return why_not.empty(); }
  bool is_software() const { return facts.type == CardType::kSoftware; }
};

struct Cards {
  std::vector<Card> cards;  // in the drivers' order, which --device gpu:N counts, from 0
  std::string why_none;     // if there are none: no loader, no driver, or a driver that crashed
};

struct CardQuestion {
  VulkanHook hook = {};  // for tests
  std::chrono::milliseconds patience{10000};
};

/// Asks all drivers, in about a tenth of a second; a millisecond without a loader.
Cards find_cards(const CardQuestion& question = {});

/// The card that `device` names: "gpu" is the first usable discrete card, else the first usable
/// integrated or virtual one; "gpu:1" the second of all; "gpu:NAME" the first whose name or driver
/// contains NAME in any case, such as "gpu:lavapipe", the only way to choose a software driver.
/// Throws Error(kDevice), with the reasons of all cards, if there is none or it is unusable, and
/// Error(kArgument) if `device` is none of these.
const Card& choose_card(const Cards& cards, std::string_view device);

/// The best usable card that is no software driver: what "gpu" chooses. Null if there is none.
const Card* find_best(const Cards& cards);

/// Memory of the card that find_best() finds.
std::optional<GpuMemory> gpu_memory(const Cards& cards);

/// Whether `device` has the form of a card's name: "gpu" or "gpu:...".
bool names_card(std::string_view device);

/// "0: NVIDIA GeForce RTX 3060 (NVIDIA 580.82): usable", one line per card.
std::string list_of(const Cards& cards);

}  // namespace semblance
