// How much memory a run may use: parses --memory and resolves it to bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "memory/meter.h"

namespace semblance {

/// The default share of the available memory that a run uses.
inline constexpr double kAutoShare = 0.8;

struct MemoryRequest {
  enum class Kind : std::uint8_t { kAuto, kBytes, kShare };
  Kind kind = Kind::kAuto;
  std::uint64_t bytes = 0;    // for kBytes; at least 1
  double share = kAutoShare;  // for kAuto and kShare: of the available memory; above 0, at most 1

  /// True if the user named an amount of bytes, which is kept whatever is available.
  bool is_named() const { return kind == Kind::kBytes; }
};

/// Parses 256MiB, 2GiB (binary), 300MB, 1.5GB (decimal), 1000000B, 60% (of the available memory)
/// and auto (80 %). Case and spaces before the unit do not matter. Throws Error(kArgument), which
/// begins with `flag`, for anything else: no unit, zero, a negative number, over 100 %, over 16
/// EiB.
MemoryRequest parse_memory(std::string_view text, std::string_view flag = "--memory");

/// The budget in bytes: the bytes named, or the share of machine.for_run_bytes().
std::uint64_t budget_bytes_of(const MemoryRequest& request, const MachineMemory& machine);

/// "256 MiB": whole MiB, rounded up, so that naming the printed number is enough.
std::string bytes_text(std::uint64_t bytes);
/// The same in the form that --memory accepts: "256MiB".
std::string bytes_flag(std::uint64_t bytes);
/// "23.54 GiB": for amounts that are only reported.
std::string gib_text(std::uint64_t bytes);

}  // namespace semblance
