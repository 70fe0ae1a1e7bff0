// Names for a run's memory configuration, derived from the memory available, to inform the user.
// The plan decides; only the face detector's first size depends on the name.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/messages.h"

namespace semblance {

enum class Mode : std::uint8_t { kNormal, kReduced, kUltraConservative, kInsufficient };

/// The thresholds below which a run gets these names.
inline constexpr std::uint64_t kReducedBelowBytes = std::uint64_t{3} << 30U;
inline constexpr std::uint64_t kUltraConservativeBelowBytes = std::uint64_t{2} << 30U;

/// `bytes`: the budget if one is named, else the available memory. `minimum_bytes`: the plan's
/// minimum, 0 without a plan.
Mode mode_for(std::uint64_t bytes, std::uint64_t minimum_bytes);

/// "normal", "reduced", "ultra-conservative", "insufficient": for JSON, in every language.
std::string_view name_of(Mode mode);
/// For the user: text_of(title_of(mode)) is the name, text_of(message_of(mode)) a sentence.
Message title_of(Mode mode);
Message message_of(Mode mode);

}  // namespace semblance
