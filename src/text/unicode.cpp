#include "text/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "core/error.h"
#include "text/unicode_tables.h"

namespace semblance {
namespace {

using unicode_tables::LowerRange;
using unicode_tables::Range;

template <typename R>
const R* find_range(std::span<const R> ranges, char32_t c) {
  const auto after = std::upper_bound(ranges.begin(), ranges.end(), c,
                                      [](char32_t value, const R& r) { return value < r.first; });
  if (after == ranges.begin()) return nullptr;
  const R& range = *(after - 1);
  return c <= range.last ? &range : nullptr;
}

// The bytes of the character at the front of `text`, or 0 if it is not UTF-8.
std::size_t first_character(std::string_view text, char32_t& c) {
  utf8proc_int32_t code_point = -1;
  const auto length = std::min<std::size_t>(text.size(), 4);
  const utf8proc_ssize_t bytes =
      utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                       static_cast<utf8proc_ssize_t>(length), &code_point);
  if (bytes <= 0 || code_point < 0) return 0;
  c = static_cast<char32_t>(code_point);
  return static_cast<std::size_t>(bytes);
}

bool unknown_to_nfc(char32_t c) {
  return c >= 0x300 && find_range(unicode_tables::kUnknownToNfc, c) != nullptr;
}

int combining_class(char32_t c) {
  return utf8proc_get_property(static_cast<utf8proc_int32_t>(c))->combining_class;
}

// Composes text without unknown characters and appends it. utf8proc decomposes single characters
// and composes; the sorting of marks is ours, because utf8proc's is quadratic in a run of marks.
void append_composed(std::u32string_view text, std::u32string& dst) {
  std::vector<std::pair<char32_t, int>> characters;  // with their combining classes
  characters.reserve(text.size());
  for (const char32_t c : text) {
    std::array<utf8proc_int32_t, 8> parts{};
    int boundary = 0;
    const utf8proc_ssize_t count = utf8proc_decompose_char(
        static_cast<utf8proc_int32_t>(c), parts.data(), static_cast<utf8proc_ssize_t>(parts.size()),
        static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | UTF8PROC_STABLE), &boundary);
    SEMBLANCE_ASSERT(count > 0 && static_cast<std::size_t>(count) <= parts.size());
    for (utf8proc_ssize_t i = 0; i < count; ++i) {
      const auto part = static_cast<char32_t>(parts[static_cast<std::size_t>(i)]);
      characters.emplace_back(part, combining_class(part));
    }
  }
  for (auto begin = characters.begin(); begin != characters.end();) {
    if (begin->second == 0) {
      ++begin;
      continue;
    }
    const auto end =
        std::find_if(begin, characters.end(), [](const auto& c) { return c.second == 0; });
    std::stable_sort(begin, end, [](const auto& a, const auto& b) { return a.second < b.second; });
    begin = end;
  }
  std::vector<utf8proc_int32_t> buffer;
  buffer.reserve(characters.size());
  for (const auto& [c, order] : characters) buffer.push_back(static_cast<utf8proc_int32_t>(c));
  const utf8proc_ssize_t length =
      utf8proc_normalize_utf32(buffer.data(), static_cast<utf8proc_ssize_t>(buffer.size()),
                               static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE));
  SEMBLANCE_ASSERT(length >= 0);
  for (utf8proc_ssize_t i = 0; i < length; ++i) {
    dst.push_back(static_cast<char32_t>(buffer[static_cast<std::size_t>(i)]));
  }
}

}  // namespace

std::u32string decode_utf8(std::string_view text, std::string_view what) {
  std::u32string code_points;
  code_points.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    char32_t c = 0;
    const std::size_t bytes = first_character(text.substr(at), c);
    if (bytes == 0) {
      fail(ErrorKind::kArgument,
           "cannot read {}: expected UTF-8 text, but byte {} (0x{:02x}) is invalid\n"
           "  save or type the text as UTF-8",
           what, at, static_cast<unsigned>(static_cast<unsigned char>(text[at])));
    }
    code_points.push_back(c);
    at += bytes;
  }
  return code_points;
}

std::u32string decode_utf8_lossy(std::string_view bytes) {
  std::u32string code_points;
  for (std::size_t at = 0; at < bytes.size();) {
    char32_t c = 0xfffd;
    at += std::max<std::size_t>(1, first_character(bytes.substr(at), c));
    code_points.push_back(c);
  }
  return code_points;
}

void append_utf8(char32_t c, std::string& text) {
  std::array<utf8proc_uint8_t, 4> bytes{};
  const utf8proc_ssize_t count =
      utf8proc_encode_char(static_cast<utf8proc_int32_t>(c), bytes.data());
  text.append(reinterpret_cast<const char*>(bytes.data()), static_cast<std::size_t>(count));
}

std::string encode_utf8(std::u32string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  for (const char32_t c : text) append_utf8(c, bytes);
  return bytes;
}

bool is_letter(char32_t c) { return find_range(unicode_tables::kLetter, c) != nullptr; }
bool is_number(char32_t c) { return find_range(unicode_tables::kNumber, c) != nullptr; }
bool is_space(char32_t c) { return find_range(unicode_tables::kSpace, c) != nullptr; }

std::u32string compose_nfc(std::u32string_view text) {
  std::u32string dst;
  dst.reserve(text.size());
  while (!text.empty()) {
    // An unknown character neither composes nor moves, so the text before and after it is
    // independent.
    const auto known = static_cast<std::size_t>(
        std::find_if(text.begin(), text.end(), unknown_to_nfc) - text.begin());
    append_composed(text.substr(0, known), dst);
    text.remove_prefix(known);
    if (!text.empty()) {
      dst.push_back(text.front());
      text.remove_prefix(1);
    }
  }
  return dst;
}

std::u32string lower_case(std::u32string_view text) {
  std::u32string dst;
  dst.reserve(text.size());
  for (const char32_t c : text) {
    if (c == 0x130) {
      dst += U"i\u0307";
      continue;
    }
    const LowerRange* range = find_range(unicode_tables::kLower, c);
    const bool changes =
        range != nullptr && (c - range->first) % static_cast<char32_t>(range->stride) == 0;
    dst.push_back(changes ? static_cast<char32_t>(static_cast<std::int64_t>(c) + range->delta) : c);
  }
  return dst;
}

std::u32string collapse_spaces(std::u32string_view text) {
  std::u32string dst;
  dst.reserve(text.size());
  bool in_space = false;
  for (const char32_t c : text) {
    const bool space = is_space(c);
    if (!space) dst.push_back(c);
    if (space && !in_space) dst.push_back(U' ');
    in_space = space;
  }
  return dst;
}

}  // namespace semblance
