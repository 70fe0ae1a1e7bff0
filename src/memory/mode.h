// Names for what a plan does, from the memory there is for a run: so that a user knows. The plan
// decides; only the face detector's first size follows from the name.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/messages.h"

namespace semblance {

enum class Mode : std::uint8_t { kNormal, kReduced, kUltraConservative, kInsufficient };

/// Below these a run is called so.
inline constexpr std::uint64_t kReducedBelowBytes = std::uint64_t{3} << 30U;
inline constexpr std::uint64_t kUltraConservativeBelowBytes = std::uint64_t{2} << 30U;

/// `bytes`: the budget where one is named, else what is available. `minimum_bytes`: the plan's, 0
/// where there is no plan.
Mode mode_for(std::uint64_t bytes, std::uint64_t minimum_bytes);

/// "normal", "reduced", "ultra-conservative", "insufficient": for JSON, in every language.
std::string_view name_of(Mode mode);
/// What the user reads: text_of(title_of(mode)) is its name, text_of(message_of(mode)) a sentence.
Message title_of(Mode mode);
Message message_of(Mode mode);

}  // namespace semblance
