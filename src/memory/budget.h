// How much memory a run may take: the text of --memory, and the bytes that it stands for.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "memory/meter.h"

namespace semblance {

/// The share of the available memory that a run takes when nothing is said.
inline constexpr double kAutoShare = 0.8;

struct MemoryRequest {
  enum class Kind : std::uint8_t { kAuto, kBytes, kShare };
  Kind kind = Kind::kAuto;
  std::uint64_t bytes = 0;    // of kBytes, at least 1
  double share = kAutoShare;  // of what is available, above 0 and at most 1; of kAuto and kShare

  /// True where the user named an amount of bytes: it is kept to, whatever is available.
  bool is_named() const { return kind == Kind::kBytes; }
};

/// Reads 256MiB, 2GiB (binary), 300MB, 1.5GB (decimal), 1000000B, 60% (of what is available) and
/// auto (80 %). Case and spaces before the unit do not matter. Throws Error(kArgument) with `flag`
/// in front for anything else: no unit, zero, a negative number, over 100 %, over 16 EiB.
MemoryRequest parse_memory(std::string_view text, std::string_view flag = "--memory");

/// The budget in bytes: the bytes named, or the share of machine.for_run_bytes().
std::uint64_t resolve(const MemoryRequest& request, const MachineMemory& machine);

/// "256 MiB": whole MiB, rounded up, so that the number is enough when named.
std::string bytes_text(std::uint64_t bytes);
/// The same as --memory takes it: "256MiB".
std::string bytes_flag(std::uint64_t bytes);
/// "23.54 GiB": for amounts that are told, not asked for.
std::string gib_text(std::uint64_t bytes);

}  // namespace semblance
