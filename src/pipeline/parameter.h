// The description of a picture's parameter; pipeline/request.h has the table. Also what every front
// end needs of it: the rule in words, the check, and parsing a value from text.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/ascii.h"

namespace semblance {

/// A text in both languages.
struct Words {
  std::string_view english;
  std::string_view spanish;
};

/// A lower maximum for requests to the service.
struct ServiceMost {
  double most = 0;  // 0: none
  Words reason = {};
};

enum class FlagGroup : std::uint8_t { kPerson, kPicture, kInpaint, kAdvanced };

/// Where the web page shows it: nowhere, in a field of its own (web/index.html), or as a dial made
/// from the table, of all pictures, of those that start from one, or of those with a mask.
enum class PagePlace : std::uint8_t { kNone, kOwnField, kDials, kFiner, kInitial, kMask };

/// The slider of a dial. Its range may be narrower than the parameter's: the number field beside it
/// takes all values.
struct Dial {
  PagePlace place = PagePlace::kNone;
  double from = 0;
  double to = 0;
  double step = 0;
  std::optional<double> start = {};  // where it begins, if not at the parameter's default
};

/// Whose limits apply.
enum class Asker : std::uint8_t { kUser, kService };

/// The value of a parameter with a closed list of values, by its name.
struct Choice {
  std::string name;

  Choice() = default;
  // Implicit, so that the public library's text can be assigned.
  Choice(std::string value) : name(std::move(value)) {}
  bool operator==(const Choice&) const = default;
};

struct ChoiceName {
  std::string_view name;   // "dpmpp_2m"
  std::string_view title;  // "DPM++ 2M"
};

/// The values of a Choice.
struct ChoiceList {
  std::vector<ChoiceName> (*all)() = nullptr;
  /// The value's name, for one of its names in any spelling; nullopt if there is none.
  std::optional<std::string> (*find)(std::string_view text) = nullptr;
  /// Describes values that all() omits: "or cuda:GPU with one of T4, P100"; nullptr if there are
  /// none.
  std::string (*others)() = nullptr;
};

/// The list of plain names, which are lower case.
template <const auto& kNames>
inline constexpr ChoiceList kChoiceOf{
    .all =
        [] {
          std::vector<ChoiceName> all;
          for (const std::string_view name : kNames) all.push_back({name, name});
          return all;
        },
    .find = [](std::string_view text) -> std::optional<std::string> {
      const std::string name = lower(text);
      if (std::ranges::find(kNames, name) == kNames.end()) return std::nullopt;
      return name;
    }};

struct Parameter {
  std::string_view name;             // "identity_strength", the JSON key; the flag has dashes
  std::string_view short_name = {};  // of the flag and in saved runs, if different
  Words title;                       // "Identity strength"
  Words help;                        // range and default are appended
  std::string_view unit = {};        // "pixels", "bytes"
  // Inclusive range; of texts: length in bytes; of lists: number of texts.
  double least = 0;
  double most = 0;
  int multiple_of = 1;
  /// The problem with a text of a list, in the words of expected().
  std::optional<std::string> (*text_problem)(std::string_view text, Asker asker) = nullptr;
  ChoiceList choices = {};
  ServiceMost service = {};
  Words absent = {};            // the default in words: "the model's own"
  bool is_required = false;     // no default
  bool zero_is_absent = false;  // 0 means the same as JSON's null
  bool shapes_picture = true;   // false for the number of pictures, say
  FlagGroup flag = FlagGroup::kPicture;
  std::string_view flag_name = {};    // if another flag sets it: "--size"
  std::string_view placeholder = {};  // of the flag's value in the help
  std::string_view openai_name = {};  // field of /v1/images/edits, if different
  std::string_view web_ui = {};       // AUTOMATIC1111's field; "points.weight": of a unit
  Dial page = {};
  std::string_view png = {};  // name in the text stored in pictures; "": special form
  bool png_always = false;    // else only if it is not the default

  std::string_view saved_name() const { return short_name.empty() ? name : short_name; }
  /// "--identity-strength"
  std::string flag_text() const;
};

/// kList: texts, in order. kChoice: one of a closed list.
enum class ParameterKind : std::uint8_t { kText, kWhole, kNumber, kSeed, kSwitch, kList, kChoice };

namespace parameter_detail {
template <typename T>
struct Plain {
  using type = T;
};
template <typename T>
struct Plain<std::optional<T>> {
  using type = T;
};
}  // namespace parameter_detail

/// The type of a member without std::optional.
template <typename T>
using PlainOf = typename parameter_detail::Plain<std::remove_cv_t<T>>::type;
template <typename T>
inline constexpr bool kIsOptional = !std::is_same_v<PlainOf<T>, std::remove_cv_t<T>>;

template <typename T>
constexpr ParameterKind kind_of() {
  using P = PlainOf<T>;
  if constexpr (std::is_same_v<P, std::string>) return ParameterKind::kText;
  if constexpr (std::is_same_v<P, std::vector<std::string>>) return ParameterKind::kList;
  if constexpr (std::is_same_v<P, Choice>) return ParameterKind::kChoice;
  if constexpr (std::is_same_v<P, bool>) return ParameterKind::kSwitch;
  if constexpr (std::is_same_v<P, int>) return ParameterKind::kWhole;
  if constexpr (std::is_same_v<P, std::uint64_t>) return ParameterKind::kSeed;
  if constexpr (std::is_floating_point_v<P>) return ParameterKind::kNumber;
}

double most_of(const Parameter& row, Asker asker);

/// "a whole number from 1 to 1000", "true or false", "text of at most 65536 bytes", "one of
/// leading, trailing, linspace".
std::string rule_of(const Parameter& row, ParameterKind kind, Asker asker = Asker::kUser);

/// "expected a whole number from 1 to 1000, got 'many'", to follow "cannot take NAME: ".
std::string expected(std::string_view rule, std::string_view got);

/// The name of a Choice; other values unchanged.
template <typename T>
const T& plain(const T& value) {
  return value;
}
inline const std::string& plain(const Choice& value) { return value.name; }

/// The problem with a text, in the words of problem_of().
std::optional<std::string> text_problem(const Parameter& row, std::string_view text);
/// The problem with a list or a text of it.
std::optional<std::string> list_problem(const Parameter& row, const std::vector<std::string>& texts,
                                        Asker asker);

namespace parameter_detail {
std::optional<std::string> choice_problem(const Parameter& row, const Choice& value);
std::optional<std::string> number_problem(const Parameter& row, ParameterKind kind, double value,
                                          std::string_view shown, Asker asker);
std::string shown(int value);
std::string shown(float value);  // shortest form: 5.01, not 5.010000228881836
std::string shown(double value);

Choice read_choice(const Parameter& row, std::string_view text);
bool read(std::string_view text, std::string& value);
bool read(std::string_view text, int& value);
bool read(std::string_view text, float& value);
bool read(std::string_view text, double& value);
bool read(std::string_view text, std::uint64_t& value);
bool read(std::string_view text, bool& value);
bool read(std::string_view text, std::vector<std::string>& value);
}  // namespace parameter_detail

/// The problem with a value, in the words of expected(); nullopt if it is allowed.
template <typename T>
std::optional<std::string> problem_of(const Parameter& row, const T& value,
                                      Asker asker = Asker::kUser) {
  if constexpr (kIsOptional<T>) {
    return value ? problem_of(row, *value, asker) : std::nullopt;
  } else if constexpr (kind_of<T>() == ParameterKind::kText) {
    return text_problem(row, value);
  } else if constexpr (kind_of<T>() == ParameterKind::kList) {
    return list_problem(row, value, asker);
  } else if constexpr (kind_of<T>() == ParameterKind::kChoice) {
    return parameter_detail::choice_problem(row, value);
  } else if constexpr (kind_of<T>() == ParameterKind::kWhole ||
                       kind_of<T>() == ParameterKind::kNumber) {
    return parameter_detail::number_problem(row, kind_of<T>(), static_cast<double>(value),
                                            parameter_detail::shown(value), asker);
  } else {
    return std::nullopt;
  }
}

/// Parses a flag's or form field's text into `member`; a list's is a JSON list of texts, or else
/// the only text in it. Returns false if the text is not of that kind; problem_of() checks the
/// range.
template <typename T>
bool read_text(const Parameter& row, std::string_view text, T& member) {
  if constexpr (kind_of<T>() == ParameterKind::kChoice) {
    member = parameter_detail::read_choice(row, text);
    return true;
  } else {
    PlainOf<T> value{};
    if (!parameter_detail::read(text, value)) return false;
    member = std::move(value);
    return true;
  }
}

/// A float's shortest decimal as a double, so that JSON has 0.8, not 0.800000011920929.
double as_written(float value);

}  // namespace semblance
