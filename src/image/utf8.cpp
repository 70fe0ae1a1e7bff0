#include "image/utf8.h"

namespace semblance {

std::optional<std::vector<char32_t>> code_points(std::string_view utf8) {
  std::vector<char32_t> points;
  for (std::size_t i = 0; i < utf8.size();) {
    const auto lead = static_cast<unsigned char>(utf8[i]);
    const std::size_t more = lead < 0x80   ? 0
                             : lead < 0xc2 ? 4
                             : lead < 0xe0 ? 1
                             : lead < 0xf0 ? 2
                             : lead < 0xf5 ? 3
                                           : 4;
    if (more == 4 || utf8.size() - i <= more) return std::nullopt;
    char32_t point = more == 0 ? lead : lead & (0x3fU >> more);
    for (std::size_t k = 1; k <= more; ++k) {
      const auto next = static_cast<unsigned char>(utf8[i + k]);
      if ((next & 0xc0U) != 0x80) return std::nullopt;
      point = point << 6 | (next & 0x3fU);
    }
    const bool over_long = (more == 2 && point < 0x800) || (more == 3 && point < 0x10000);
    const bool surrogate = point >= 0xd800 && point <= 0xdfff;
    if (over_long || surrogate || point > 0x10ffff) return std::nullopt;
    points.push_back(point);
    i += more + 1;
  }
  return points;
}

void append_utf8(std::string& text, char32_t point) {
  if (point < 0x80) {
    text.push_back(static_cast<char>(point));
    return;
  }
  const int more = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
  text.push_back(static_cast<char>((more == 1   ? 0xc0U
                                    : more == 2 ? 0xe0U
                                                : 0xf0U) |
                                   point >> 6 * more));
  for (int i = more - 1; i >= 0; --i)
    text.push_back(static_cast<char>(0x80U | (point >> 6 * i & 0x3fU)));
}

std::string utf8_of_latin1(std::string_view bytes) {
  std::string text;
  for (const char byte : bytes) append_utf8(text, static_cast<unsigned char>(byte));
  return text;
}

}  // namespace semblance
