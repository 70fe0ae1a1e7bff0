#include "pipeline/parameter.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/closest.h"

namespace semblance {
namespace {

template <typename Number>
bool read_number(std::string_view text, Number& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

std::string Parameter::flag_text() const {
  if (!flag_name.empty()) return std::string(flag_name);
  std::string flag = "--" + std::string(saved_name());
  std::ranges::replace(flag, '_', '-');
  return flag;
}

double most_of(const Parameter& row, Asker asker) {
  const bool lower = asker == Asker::kService && row.service.most > 0;
  return lower ? row.service.most : row.most;
}

std::string rule_of(const Parameter& row, ParameterKind kind, Asker asker) {
  const double most = most_of(row, asker);
  switch (kind) {
    case ParameterKind::kText:
      return fmt::format("text of at most {} bytes", most);
    case ParameterKind::kList:
      return fmt::format("a list of at most {} texts", most);
    case ParameterKind::kSwitch:
      return "true or false";
    case ParameterKind::kSeed:
      return "a whole number from 0 to 18446744073709551615";
    case ParameterKind::kChoice: {
      std::string names;
      for (const ChoiceName& choice : row.choices.all())
        names.append(names.empty() ? "one of " : ", ").append(choice.name);
      return row.choices.others == nullptr ? names : names + ", " + row.choices.others();
    }
    case ParameterKind::kNumber:
      return fmt::format("a number from {} to {}", row.least, most);
    case ParameterKind::kWhole:
      break;
  }
  return row.multiple_of > 1
             ? fmt::format("a multiple of {} from {} to {}", row.multiple_of, row.least, most)
             : fmt::format("a whole number from {} to {}", row.least, most);
}

std::string expected(std::string_view rule, std::string_view got) {
  return fmt::format("expected {}, got {}", rule, got);
}

double as_written(float value) {
  double written = 0;
  const std::string text = fmt::format("{}", value);
  const bool is_same = read_number(text, written) && static_cast<float>(written) == value;
  return is_same ? written : static_cast<double>(value);
}

std::optional<std::string> text_problem(const Parameter& row, std::string_view text) {
  if (static_cast<double>(text.size()) > row.most) {
    return expected(rule_of(row, ParameterKind::kText), fmt::format("{} bytes", text.size()));
  }
  // Picture files cannot store U+0000: fail now rather than when writing.
  if (text.find('\0') != std::string_view::npos)
    return "expected text without the character U+0000";
  return std::nullopt;
}

/// The longest text of a list: two paths and numbers.
constexpr std::size_t kMostTextBytes = 8500;

std::optional<std::string> list_problem(const Parameter& row, const std::vector<std::string>& texts,
                                        Asker asker) {
  if (static_cast<double>(texts.size()) > most_of(row, asker)) {
    return expected(rule_of(row, ParameterKind::kList, asker), fmt::format("{}", texts.size()));
  }
  for (const std::string& text : texts) {
    if (text.size() > kMostTextBytes) {
      return expected(fmt::format("texts of at most {} bytes", kMostTextBytes),
                      fmt::format("{} bytes", text.size()));
    }
    if (auto problem = row.text_problem(text, asker)) return problem;
  }
  return std::nullopt;
}

namespace parameter_detail {

std::optional<std::string> choice_problem(const Parameter& row, const Choice& value) {
  if (row.choices.find(value.name)) return std::nullopt;
  const std::string name = value.name.substr(0, 60);
  std::vector<std::string_view> names;
  for (const ChoiceName& choice : row.choices.all()) names.push_back(choice.name);
  return expected(rule_of(row, ParameterKind::kChoice),
                  fmt::format("'{}'{}", name, did_you_mean(name, names)));
}

/// An unknown name is kept for choice_problem() to report.
Choice read_choice(const Parameter& row, std::string_view text) {
  constexpr std::size_t kMostBytes = 100;
  return row.choices.find(text).value_or(std::string(text.substr(0, kMostBytes)));
}

std::optional<std::string> number_problem(const Parameter& row, ParameterKind kind, double value,
                                          std::string_view shown, Asker asker) {
  const double most = most_of(row, asker);
  const bool in_range = value >= row.least && value <= most;  // NaN is not
  const bool fits = kind == ParameterKind::kNumber || std::fmod(value, row.multiple_of) == 0;
  if (in_range && fits) return std::nullopt;
  std::string text = expected(rule_of(row, kind, asker), shown);
  if (in_range) {
    const double nearest = std::floor(value / row.multiple_of + 0.5) * row.multiple_of;
    text += fmt::format("; the nearest is {}", std::min(nearest, most));
  }
  return text;
}

std::string shown(int value) { return fmt::format("{}", value); }
std::string shown(float value) { return fmt::format("{}", value); }
std::string shown(double value) { return fmt::format("{}", value); }

bool read(std::string_view text, std::string& value) {
  value = text;
  return true;
}
bool read(std::string_view text, std::vector<std::string>& value) {
  if (!text.starts_with('[')) {
    value = {std::string(text)};
    return true;
  }
  const auto list = nlohmann::json::parse(text, nullptr, false);
  if (!list.is_array()) return false;
  for (const auto& entry : list) {
    if (!entry.is_string()) return false;
    value.push_back(entry.get<std::string>());
  }
  return true;
}
bool read(std::string_view text, int& value) { return read_number(text, value); }
bool read(std::string_view text, double& value) { return read_number(text, value); }
bool read(std::string_view text, std::uint64_t& value) { return read_number(text, value); }
bool read(std::string_view text, float& value) {
  double number = 0;
  if (!read_number(text, number)) return false;
  value = static_cast<float>(number);
  return true;
}
bool read(std::string_view text, bool& value) {
  value = text == "true" || text == "True" || text == "1";
  return value || text == "false" || text == "False" || text == "0";
}

}  // namespace parameter_detail
}  // namespace semblance
