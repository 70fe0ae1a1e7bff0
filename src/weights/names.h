// Checks names from possibly hostile files before they reach a message or a table.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace semblance {

/// Whether a name has a byte that affects a terminal or a C string; no published name has one.
inline bool has_control_bytes(std::string_view name) {
  return std::any_of(name.begin(), name.end(),
                     [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; });
}

/// Text for a message: at most 200 bytes, all printable ASCII.
inline std::string printable(std::string_view text) {
  std::string shown;
  for (char c : text.substr(0, 200)) shown += c >= ' ' && c <= '~' ? c : '?';
  return text.size() > 200 ? shown + "..." : shown;
}

}  // namespace semblance
