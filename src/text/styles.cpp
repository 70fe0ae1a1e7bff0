#include "text/styles.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "core/ascii.h"
#include "core/closest.h"
#include "core/error.h"
#include "core/json.h"
#include "text/text_lines.h"

namespace semblance {
namespace {

constexpr std::size_t kMostStyles = 10'000;
constexpr std::string_view kPlace = "{prompt}";

std::vector<Style> built_in() {
  const std::string poor = "blurry, low quality, deformed hands, text, watermark, signature";
  return {
      {std::string(kNoStyle), std::string(kPlace)},
      {"Watercolor",
       "watercolor painting of {prompt}, loose wet brushwork, soft washes of color, visible paper "
       "grain, gentle daylight",
       "photograph, 3d render, hard outlines, " + poor},
      {"Film Noir",
       "black and white film noir still of {prompt}, 1940s, one hard light from the side, deep "
       "shadows, venetian blinds, film grain",
       "color, bright daylight, cheerful, " + poor},
      {"Neon",
       "{prompt}, night street lit by neon signs, magenta and cyan glow, wet reflections, "
       "shallow depth of field, cinematic",
       "daylight, flat lighting, " + poor},
      {"Jungle",
       "{prompt} in a dense jungle, giant ferns and vines, mist between the trees, green light "
       "through the leaves, adventure film still",
       "city, indoors, " + poor},
      {"Mars",
       "{prompt} on Mars, red dunes and rocks, dusty orange sky, a small dome of a colony far "
       "away, low sun, science fiction film still",
       "trees, grass, water, " + poor},
      {"Vibrant Color",
       "{prompt}, vivid saturated colors, bold shapes, pop art poster, clean edges, high contrast",
       "muted colors, monochrome, " + poor},
      {"Snow",
       "{prompt} in falling snow, frosted trees behind, cold blue light, breath in the air, ice "
       "crystals in sharp focus",
       "summer, desert, " + poor},
      {"Line art",
       "line art drawing of {prompt}, clean black ink lines on white paper, minimal, elegant, no "
       "shading",
       "photograph, color, gradients, 3d render, " + poor},
  };
}

// ---- styles.csv

/// Reads rows of a CSV file as Python's csv does with skipinitialspace.
class CsvReader {
 public:
  CsvReader(std::string_view what, std::string_view text) : what_(what), text_(text) {}

  /// The next row's fields; none at the end. Empty lines are passed over.
  std::optional<std::vector<std::string>> next() {
    while (!at_end() && (peek() == '\n' || peek() == '\r')) take();
    if (at_end()) return std::nullopt;
    std::vector<std::string> fields;
    while (true) {
      fields.push_back(field());
      if (at_end() || take() != ',') break;
    }
    return fields;
  }

 private:
  bool at_end() const { return at_ == text_.size(); }
  char peek() const { return text_[at_]; }
  char take() { return text_[at_++]; }

  std::string field() {
    while (!at_end() && peek() == ' ') take();
    std::string value;
    if (!at_end() && peek() == '"') quoted(value);
    while (!at_end() && peek() != ',' && peek() != '\n' && peek() != '\r') value += take();
    return value;
  }

  void quoted(std::string& value) {
    const std::size_t begin = at_;
    take();
    while (!at_end()) {
      const char c = take();
      if (c != '"') {
        value += c;
      } else if (!at_end() && peek() == '"') {
        value += take();
      } else {
        return;
      }
    }
    fail(ErrorKind::kCorrupt, "cannot read {}: the quote in line {} is never closed", what_,
         1 + std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(begin), '\n'));
  }

  std::string_view what_;
  std::string_view text_;
  std::size_t at_ = 0;
};

std::vector<Style> styles_of_csv(const std::string& what, std::string_view text) {
  CsvReader reader(what, text);
  const std::vector<std::string> header = reader.next().value_or(std::vector<std::string>());
  const auto column = [&](std::string_view name) {
    return static_cast<std::size_t>(std::ranges::find(header, name) - header.begin());
  };
  const std::size_t name = column("name");
  const std::size_t prompt = std::min(column("prompt"), column("text"));
  const std::size_t negative = column("negative_prompt");
  if (name == header.size() || prompt == header.size()) {
    fail(ErrorKind::kCorrupt,
         "cannot read {}: expected a first line with the columns name, prompt and "
         "negative_prompt, got '{}'\n  a style file is a styles.csv, or a JSON list of {{\"name\", "
         "\"prompt\", \"negative_prompt\"}}",
         what, fmt::format("{}", fmt::join(header, ",")).substr(0, 60));
  }
  std::vector<Style> styles;
  while (std::optional<std::vector<std::string>> row = reader.next()) {
    row->resize(std::max(row->size(), header.size()));
    if (row->at(name).empty()) continue;
    const std::string none;
    styles.push_back({row->at(name), row->at(prompt),
                      negative < header.size() ? row->at(negative) : none, true});
  }
  return styles;
}

// ---- JSON

std::vector<Style> styles_of_json(const std::string& what, std::string_view text) {
  std::vector<Style> styles;
  for (const Json& item : Json::parse(what, text).items()) {
    const Json& style = item.expect_object();
    styles.push_back({style.get_string("name"), style.get_string("prompt"),
                      style.get_string("negative_prompt", "")});
    if (styles.back().name.empty()) style.refuse("name", "a text that is not empty");
  }
  return styles;
}

std::string joined(std::string_view first, std::string_view second, std::string_view between) {
  first = trimmed(first, " \t\r\n");
  second = trimmed(second, " \t\r\n");
  if (first.empty() || second.empty()) return std::string(first.empty() ? second : first);
  return fmt::format("{}{}{}", first, between, second);
}

/// The text in all places of the template, or joined with it.
std::string merged(std::string_view style, std::string_view text) {
  if (style.find(kPlace) == style.npos) return joined(text, style, ", ");
  std::string result;
  while (true) {
    const std::size_t at = style.find(kPlace);
    result += style.substr(0, at);
    if (at == style.npos) return result;
    result += text;
    style.remove_prefix(at + kPlace.size());
  }
}

}  // namespace

Styles::Styles() : styles_(built_in()) {}

Styles::Styles(const std::filesystem::path& file) : Styles() {
  const std::string text = read_text_file(file);
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  const bool is_json = first != std::string::npos && (text[first] == '[' || text[first] == '{');
  std::vector<Style> read =
      is_json ? styles_of_json(file.string(), text) : styles_of_csv(file.string(), text);
  if (read.size() > kMostStyles) {
    fail(ErrorKind::kCorrupt, "cannot read {}: expected at most {} styles, got {}", file.string(),
         kMostStyles, read.size());
  }
  std::ranges::reverse(read);  // of a name given twice the last counts
  std::ranges::move(styles_, std::back_inserter(read));
  styles_ = std::move(read);
}

std::vector<std::string_view> Styles::names() const& {
  std::vector<std::string_view> names;
  for (const Style& style : styles_) {
    if (std::ranges::find(names, style.name) == names.end()) names.push_back(style.name);
  }
  return names;
}

const Style& Styles::find(std::string_view name, std::string_view what) const {
  const std::string wanted = lower(name);
  const auto found = std::ranges::find_if(
      styles_, [&](const Style& style) { return lower(style.name) == wanted; });
  if (found != styles_.end()) return *found;
  const std::vector<std::string_view> known = names();
  constexpr std::size_t kShown = 20;
  fail(ErrorKind::kArgument, "cannot take {}: there is no style '{}'{}\n  there are: {}{}", what,
       name.substr(0, 60), did_you_mean(name, known),
       fmt::join(std::span(known).first(std::min(kShown, known.size())), ", "),
       known.size() > kShown ? fmt::format(", and {} more", known.size() - kShown) : "");
}

void apply(const Style& style, std::string& prompt, std::optional<std::string>& negative) {
  prompt = merged(style.prompt, prompt);
  if (style.negative.empty()) return;
  const std::string own = negative.value_or("");
  const bool has_place = style.negative.find(kPlace) != std::string::npos;
  negative =
      style.is_web_ui || has_place ? merged(style.negative, own) : joined(style.negative, own, " ");
}

}  // namespace semblance
