// What the `tokenizers` package holds each character to be. Ranges are inclusive, sorted and do not
// overlap. Tables of our own, and not those of a Unicode library: the package mixes three Unicode
// versions, and ids must not change with the system's library.
#pragma once

#include <cstdint>
#include <span>

namespace semblance::unicode_tables {

struct Range {
  char32_t first;
  char32_t last;
};

/// Every stride-th character from first to last has the lower case (itself + delta).
struct LowerRange {
  char32_t first;
  char32_t last;
  std::int32_t stride;
  std::int32_t delta;
};

extern const std::span<const Range> kLetter;
extern const std::span<const Range> kNumber;
extern const std::span<const Range> kSpace;
/// Characters that the package's NFC neither composes, decomposes nor reorders, whatever newer
/// Unicode says.
extern const std::span<const Range> kUnknownToNfc;
extern const std::span<const LowerRange> kLower;

}  // namespace semblance::unicode_tables
