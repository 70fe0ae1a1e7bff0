#include "memory/budget.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "core/ascii.h"
#include "core/error.h"
#include "core/short_text.h"

namespace semblance {
namespace {

constexpr std::uint64_t kMib = std::uint64_t{1} << 20U;
constexpr const char* kUnits =
    "units are B, KiB, MiB, GiB, TiB (of 1024), kB, MB, GB, TB (of 1000), and % of the "
    "available memory";

struct Unit {
  std::string_view name;  // in lower case
  std::uint64_t bytes;
};
constexpr std::array<Unit, 9> kByteUnits = {{{"b", 1},
                                             {"kib", std::uint64_t{1} << 10U},
                                             {"mib", kMib},
                                             {"gib", std::uint64_t{1} << 30U},
                                             {"tib", std::uint64_t{1} << 40U},
                                             {"kb", 1'000},
                                             {"mb", 1'000'000},
                                             {"gb", 1'000'000'000},
                                             {"tb", 1'000'000'000'000}}};

/// The given text, shortened for a message.
std::string shown(std::string_view text) { return short_text(text, 40); }

[[noreturn]] void refuse(std::string_view flag, std::string_view text, std::string_view rule) {
  fail(ErrorKind::kArgument, "{}: expected {}, got '{}'\n  {}", flag, rule, shown(text), kUnits);
}

/// number * unit in whole bytes, rounded down; nothing if it exceeds 64 bits. Exact for a number
/// without a decimal point.
std::optional<std::uint64_t> product(std::string_view number, std::uint64_t unit) {
  if (number.find('.') == std::string_view::npos) {
    std::uint64_t whole = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), whole);
    if (error != std::errc() || whole > std::numeric_limits<std::uint64_t>::max() / unit)
      return std::nullopt;
    return whole * unit;
  }
  double value = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  const double bytes = value * static_cast<double>(unit);
  if (error != std::errc() || bytes >= std::ldexp(1.0, 64)) return std::nullopt;
  return static_cast<std::uint64_t>(bytes);
}

bool is_number(std::string_view text) {
  double ignored = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), ignored, std::chars_format::fixed);
  return !text.empty() && end == text.data() + text.size() &&
         (error == std::errc() || error == std::errc::result_out_of_range);
}

MemoryRequest share_of(std::string_view flag, std::string_view text, std::string_view number) {
  double percent = 0;
  std::from_chars(number.data(), number.data() + number.size(), percent);
  if (!(percent > 0 && percent <= 100)) {
    refuse(flag, text, "a share above 0% and at most 100% of the available memory");
  }
  return {.kind = MemoryRequest::Kind::kShare, .share = percent / 100};
}

}  // namespace

MemoryRequest parse_memory(std::string_view text, std::string_view flag) {
  constexpr std::string_view kRule = "an amount of memory such as 256MiB, 2GiB, 1.5GB, 60% or auto";
  const std::string lower_case = lower(text);
  if (lower_case == "auto") return {};
  const std::string_view all = lower_case;
  const std::size_t end = std::min(all.find_first_not_of("0123456789."), all.size());
  const std::string_view number = all.substr(0, end);
  const std::size_t unit_begin = std::min(all.find_first_not_of(' ', end), all.size());
  const std::string_view unit = all.substr(unit_begin);
  if (!is_number(number)) refuse(flag, text, kRule);
  if (unit == "%") return share_of(flag, text, number);
  if (unit.empty() && number.find_first_not_of("0.") == std::string_view::npos)
    refuse(flag, text, "more than 0");
  if (unit.empty()) refuse(flag, text, "a unit after the number, as in 256MiB");
  const auto found = std::find_if(kByteUnits.begin(), kByteUnits.end(),
                                  [&](const Unit& each) { return each.name == unit; });
  if (found == kByteUnits.end()) refuse(flag, text, kRule);
  const auto bytes = product(number, found->bytes);
  if (!bytes) refuse(flag, text, "less than 16 EiB (2^64 bytes)");
  if (*bytes == 0) refuse(flag, text, "more than 0");
  return {.kind = MemoryRequest::Kind::kBytes, .bytes = *bytes};
}

std::uint64_t budget_bytes_of(const MemoryRequest& request, const MachineMemory& machine) {
  if (request.is_named()) return request.bytes;
  return static_cast<std::uint64_t>(static_cast<double>(machine.for_run_bytes()) * request.share);
}

std::string bytes_text(std::uint64_t bytes) {
  return fmt::format("{} MiB", bytes / kMib + (bytes % kMib != 0 ? 1 : 0));
}

std::string bytes_flag(std::uint64_t bytes) {
  return fmt::format("{}MiB", bytes / kMib + (bytes % kMib != 0 ? 1 : 0));
}

std::string gib_text(std::uint64_t bytes) {
  return fmt::format("{:.2f} GiB", static_cast<double>(bytes) / static_cast<double>(kMib * 1024));
}

}  // namespace semblance
