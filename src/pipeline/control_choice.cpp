#include "pipeline/control_choice.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "core/closest.h"
#include "core/error.h"
#include "core/json.h"
#include "pipeline/named_files.h"
#include "weights/checkpoint.h"
#include "weights/names.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kControlRule = "a ControlNet as model=FILE|DIR|NAME,image=FILE,...";
constexpr std::array<std::string_view, 7> kControlKeys{"model", "image",   "strength", "start",
                                                       "end",   "prepare", "type"};

/// A choice, or what is wrong with the text.
struct ReadControl {
  ControlChoice choice;
  std::optional<std::string> problem = {};

  void refuse(std::string_view rule, std::string_view got) {
    if (!problem) problem = expected(rule, '\'' + printable(got) + '\'');
  }
};

/// "strength=0.4" has the key "strength"; a piece without one belongs to the value before it, a
/// path with a comma.
std::string_view control_key_of(std::string_view piece) {
  const std::size_t end = piece.find_first_not_of("abcdefghijklmnopqrstuvwxyz_");
  const bool has_key = end != 0 && end != std::string_view::npos && piece[end] == '=';
  return has_key ? piece.substr(0, end) : std::string_view();
}

std::vector<std::string_view> control_pieces_of(std::string_view text) {
  std::vector<std::string_view> pieces;
  std::size_t begin = 0;
  for (std::size_t comma = text.find(','); comma != std::string_view::npos;
       comma = text.find(',', comma + 1)) {
    if (control_key_of(text.substr(comma + 1)).empty()) continue;
    pieces.push_back(text.substr(begin, comma - begin));
    begin = comma + 1;
  }
  pieces.push_back(text.substr(begin));
  return pieces;
}

/// Reads a number from 0 to `most`.
template <typename Number>
void read_control_number(ReadControl& read, std::string_view key, std::string_view value,
                         double most, Number& member) {
  double number = -1;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  const bool is_number = error == std::errc() && end == value.data() + value.size();
  // NaN is not in the range.
  if (is_number && number >= 0 && number <= most) {
    member = static_cast<Number>(number);
  } else {
    read.refuse(fmt::format("{} from 0 to {}", key, most), value);
  }
}

/// The place of a name in a list; -1, and a problem, if it is not there.
template <std::size_t kCount>
int read_control_name(ReadControl& read, std::string_view key, std::string_view value,
                      const std::array<std::string_view, kCount>& names) {
  const auto* const found = std::ranges::find(names, value);
  if (found != names.end()) return static_cast<int>(found - names.begin());
  read.refuse(fmt::format("{} to be one of {}", key, fmt::join(names, ", ")), value);
  return -1;
}

void read_control_piece(ReadControl& read, std::string_view piece) {
  ControlChoice& choice = read.choice;
  const std::string_view key = control_key_of(piece);
  const std::string_view value = piece.substr(key.empty() ? 0 : key.size() + 1);
  if (key == "model") {
    choice.model = value;
  } else if (key == "image") {
    choice.image = value;
  } else if (key == "strength") {
    read_control_number(read, key, value, static_cast<double>(kMostControlStrength),
                        choice.strength);
  } else if (key == "start") {
    read_control_number(read, key, value, 1, choice.start);
  } else if (key == "end") {
    read_control_number(read, key, value, 1, choice.end);
  } else if (key == "prepare") {
    if (const int place = read_control_name(read, key, value, kPrepareNames); place >= 0)
      choice.prepare = static_cast<Prepare>(place);
  } else if (key == "type") {
    if (const int place = read_control_name(read, key, value, kControlTypes); place >= 0)
      choice.type = place;
  } else if (!read.problem) {
    read.problem =
        expected(fmt::format("{} with the keys {}", kControlRule, fmt::join(kControlKeys, ", ")),
                 fmt::format("'{}'{}", printable(piece), did_you_mean(key, kControlKeys)));
  }
}

ReadControl read_control(std::string_view text) {
  ReadControl read;
  std::vector<std::string_view> known;
  for (const std::string_view piece : control_pieces_of(text)) {
    const std::string_view key = control_key_of(piece);
    if (std::ranges::find(known, key) != known.end())
      read.refuse(fmt::format("one {}", key), piece);
    known.push_back(key);
    read_control_piece(read, piece);
  }
  const ControlChoice& choice = read.choice;
  if (choice.model.empty() || has_control_bytes(text)) read.refuse(kControlRule, text);
  if (!read.problem && choice.start > choice.end) {
    read.problem = expected(fmt::format("start to be at most end, {}", choice.end),
                            fmt::format("{}", choice.start));
  }
  return read;
}

/// All weight files, and diffusers folders, whose files do not count.
std::vector<fs::path> controls_in(const fs::path& folder) {
  return models_under(folder, [](const fs::directory_entry& entry) {
    std::error_code ignored;
    return entry.is_directory(ignored) ? fs::is_regular_file(entry.path() / "config.json", ignored)
                                       : has_weight_extension(entry.path());
  });
}

/// Whether it is a diffusers folder of another kind of model.
bool is_other_model(const fs::path& path) {
  if (has_weight_extension(path)) return false;
  try {
    return Json::load(path / "config.json").get_string("_class_name", "").find("ControlNet") ==
           std::string::npos;
  } catch (const Error&) {
    return true;
  }
}

std::string name_of_control(const fs::path& path) {
  return has_weight_extension(path) ? path.stem().string() : path.filename().string();
}

}  // namespace

std::string ControlChoice::short_name() const {
  const fs::path path(model);
  return name_of_control(path.has_filename() ? path : path.parent_path());
}

ControlChoice parse_control(std::string_view text) {
  const ReadControl made = read_control(text);
  if (made.problem) fail(ErrorKind::kArgument, "cannot take the ControlNet: {}", *made.problem);
  return made.choice;
}

std::vector<ControlChoice> parse_controls(std::span<const std::string> texts) {
  std::vector<ControlChoice> choices;
  for (const std::string& text : texts) choices.push_back(parse_control(text));
  return choices;
}

std::string text_of(const ControlChoice& choice) {
  const ControlChoice usual;
  std::string text = "model=" + choice.model;
  const auto add = [&text](std::string_view key, const auto& value) {
    text += fmt::format(",{}={}", key, value);
  };
  if (!choice.image.empty()) add("image", choice.image);
  if (choice.strength != usual.strength) add("strength", choice.strength);
  if (choice.start != usual.start) add("start", choice.start);
  if (choice.end != usual.end) add("end", choice.end);
  if (choice.prepare != usual.prepare)
    add("prepare", kPrepareNames[static_cast<std::size_t>(choice.prepare)]);
  if (choice.type) add("type", kControlTypes[static_cast<std::size_t>(*choice.type)]);
  return text;
}

std::optional<std::string> control_problem(std::string_view text, Asker asker) {
  const ReadControl made = read_control(text);
  if (made.problem || asker == Asker::kUser) return made.problem;
  const std::string& name = made.choice.model;
  if (!is_plain_name(name)) {
    return expected("the name of a ControlNet in the service's ControlNet folder",
                    '\'' + printable(name) + '\'');
  }
  if (!made.choice.image.empty()) {
    return expected("no image: the picture is sent with the request",
                    '\'' + printable(made.choice.image) + '\'');
  }
  return std::nullopt;
}

std::vector<fs::path> default_control_folders(const fs::path& base) {
  return default_folders(base, "controlnet");
}

std::vector<fs::path> control_folders(const fs::path& given, const fs::path& base,
                                      std::string_view flag) {
  if (given.empty()) return default_control_folders(base);
  return {given_folder(given, "models/ControlNet", flag, "ControlNets")};
}

std::vector<std::string> control_names(std::span<const fs::path> folders) {
  std::set<std::string> names;
  for (const fs::path& folder : folders) {
    for (const fs::path& path : controls_in(folder)) {
      if (!is_other_model(path)) names.insert(name_of_control(path));
    }
  }
  return {names.begin(), names.end()};
}

fs::path find_control(const ControlChoice& choice, std::span<const fs::path> folders) {
  const std::string shown = printable(choice.model);
  if (choice.is_path()) {
    std::error_code ignored;
    if (!fs::exists(choice.model, ignored))
      fail(ErrorKind::kMissing, "cannot open the ControlNet {}: it does not exist", shown);
    return choice.model;
  }
  std::vector<std::string> known;
  for (const fs::path& folder : folders) {
    std::vector<fs::path> found;
    for (const fs::path& path : controls_in(folder)) {
      known.push_back(name_of_control(path));
      if (known.back() == choice.model || path.filename() == choice.model) found.push_back(path);
    }
    if (found.size() > 1) {
      fail(ErrorKind::kArgument,
           "cannot choose the ControlNet {}: two have that name, {} and {}\n  rename one of them",
           shown, found[0].lexically_relative(folder).string(),
           found[1].lexically_relative(folder).string());
    }
    if (!found.empty()) return found.front();
  }
  const std::vector<std::string_view> words(known.begin(), known.end());
  fail(ErrorKind::kMissing,
       "cannot find the ControlNet {}: the ControlNet folders have none of that name{}\n  put "
       "{}.safetensors into one of them, or choose another with --control-dir",
       shown, did_you_mean(choice.model, words), shown);
}

}  // namespace semblance
