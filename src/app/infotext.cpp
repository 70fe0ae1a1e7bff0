#include "app/infotext.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/ascii.h"

namespace semblance {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";
constexpr std::string_view kNegativeMark = "Negative prompt:";

bool is_name_letter(char c, bool is_first) {
  const bool is_word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '_' || static_cast<unsigned char>(c) >= 0x80;
  return is_word || (!is_first && (c == ' ' || c == '-' || c == '/'));
}

/// The end of the JSON string with which `text` begins, if a value ends there; otherwise 0.
std::size_t quoted_end(std::string_view text) {
  if (!text.starts_with('"')) return 0;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      const bool ends = i + 1 == text.size() || text[i + 1] == ',';
      return ends && i > 1 ? i + 1 : 0;
    }
  }
  return 0;
}

std::string unquoted(std::string_view value) {
  if (quoted_end(value) != value.size() || value.empty()) return std::string(value);
  const auto text = nlohmann::json::parse(value, nullptr, false);
  return text.is_string() ? text.get<std::string>() : std::string(value);
}

/// The lines of a text, without their ends.
std::vector<std::string_view> lines_in_text(std::string_view text) {
  std::vector<std::string_view> lines;
  for (;;) {
    const std::size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    if (end == text.npos) return lines;
    text.remove_prefix(end + 1);
  }
}

}  // namespace

const std::string* Infotext::find(std::string_view name) const {
  const auto found = std::find_if(fields.rbegin(), fields.rend(),
                                  [&](const auto& field) { return field.first == name; });
  return found == fields.rend() ? nullptr : &found->second;
}

InfoFields parse_info_fields(std::string_view line) {
  InfoFields fields;
  while (!line.empty()) {
    const std::size_t begin = line.find_first_not_of(kBlanks);
    if (begin == line.npos) break;
    line.remove_prefix(begin);
    std::size_t end = 0;
    while (end < line.size() && is_name_letter(line[end], end == 0)) ++end;
    if (end < 2 || end == line.size() || line[end] != ':') {
      line.remove_prefix(std::max<std::size_t>(end, 1));
      continue;
    }
    const std::string_view name = line.substr(0, end);
    line.remove_prefix(end + 1);
    line.remove_prefix(std::min(line.find_first_not_of(kBlanks), line.size()));
    const std::size_t quoted = quoted_end(line);
    const std::size_t value_end = quoted > 0 ? quoted : std::min(line.find(','), line.size());
    fields.emplace_back(trimmed(name, kBlanks),
                        unquoted(trimmed(line.substr(0, value_end), kBlanks)));
    line.remove_prefix(std::min(value_end + 1, line.size()));
  }
  return fields;
}

std::optional<Infotext> parse_infotext(std::string_view text) {
  text = text.substr(0, text.find_last_not_of(kBlanks) + 1);
  const std::size_t last = text.rfind('\n');
  Infotext info;
  info.fields = parse_info_fields(text.substr(last == text.npos ? 0 : last + 1));
  if (info.find("Steps") == nullptr) return std::nullopt;
  if (last == text.npos) return info;
  for (const std::string_view line : lines_in_text(text.substr(0, last))) {
    const std::string_view start = trimmed(line, kBlanks);
    if (!info.negative && start.starts_with(kNegativeMark)) {
      const std::string_view rest = line.substr(line.find(kNegativeMark) + kNegativeMark.size());
      info.negative = rest.substr(rest.starts_with(' ') ? 1 : 0);
      continue;
    }
    std::string& prompt = info.negative ? *info.negative : info.prompt;
    const bool is_first = !info.negative && line.data() == text.data();
    if (!is_first) prompt += '\n';
    prompt += line;
  }
  return info;
}

}  // namespace semblance
