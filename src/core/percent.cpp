#include "core/percent.h"

#include <fmt/format.h>

#include <charconv>

namespace semblance {

std::string percent_encoded(std::string_view path) {
  std::string text;
  for (const char c : path) {
    const bool is_plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
        (c != '\0' && std::string_view("/-_.~").find(c) != std::string_view::npos);
    text += is_plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return text;
}

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      bytes += text[i];
      continue;
    }
    const std::string_view digits = text.substr(i + 1, 2);
    unsigned char byte = 0;
    const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), byte, 16);
    if (digits.size() < 2 || result.ptr != digits.data() + 2) return {};
    bytes += static_cast<char>(byte);
    i += 2;
  }
  return bytes;
}

}  // namespace semblance
