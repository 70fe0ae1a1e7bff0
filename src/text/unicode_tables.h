// Character classes as in the `tokenizers` package. Ranges are inclusive, sorted and do not
// overlap. These are our own tables instead of a Unicode library's: the package mixes three Unicode
// versions, and ids must not depend on the system's library.
#pragma once

#include <cstdint>
#include <span>

namespace semblance::unicode_tables {

struct Range {
  char32_t first;
  char32_t last;
};

/// For every stride-th character from first to last, lower case is the character + delta.
struct LowerRange {
  char32_t first;
  char32_t last;
  std::int32_t stride;
  std::int32_t delta;
};

extern const std::span<const Range> kLetter;
extern const std::span<const Range> kNumber;
extern const std::span<const Range> kSpace;
/// Characters that the package's NFC does not compose, decompose or reorder, although newer
/// versions of Unicode may.
extern const std::span<const Range> kUnknownToNfc;
extern const std::span<const LowerRange> kLower;

}  // namespace semblance::unicode_tables
