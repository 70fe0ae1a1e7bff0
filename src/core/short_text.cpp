#include "core/short_text.h"

namespace semblance {
namespace {

constexpr std::size_t kMostBytesOfACharacter = 4;

bool continues_character(char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80U; }

}  // namespace

std::string_view whole_characters(std::string_view text, std::size_t most_bytes) {
  if (text.size() <= most_bytes) return text;
  std::size_t end = most_bytes;
  while (end > 0 && most_bytes - end < kMostBytesOfACharacter && continues_character(text[end])) {
    --end;
  }
  return text.substr(0, continues_character(text[end]) ? most_bytes : end);
}

std::string short_text(std::string_view text, std::size_t most_bytes, std::string_view more) {
  if (text.size() <= most_bytes) return std::string(text);
  return std::string(whole_characters(text, most_bytes - more.size())).append(more);
}

}  // namespace semblance
