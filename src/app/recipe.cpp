#include "app/recipe.h"

#include <fmt/format.h>

#include "app/parameters.h"
#include "app/recipe_readers.h"
#include "core/ascii.h"
#include "core/error.h"
#include "core/short_text.h"
#include "device/cards.h"
#include "image/exif.h"
#include "pipeline/prompts.h"

namespace semblance {
namespace {

constexpr std::string_view kGraphKey = "prompt";

/// The text of a key that is read whole; nullptr if there is none.
const std::string* whole_text(const PictureTexts& texts, std::string_view key) {
  const PictureText* const text = texts.find(key);
  return text == nullptr || !text->value ? nullptr : &*text->value;
}

/// ComfyUI's graph. In WebP it is "prompt:{...}" in one of EXIF's texts.
std::optional<std::string_view> graph_in(const PictureTexts& texts) {
  // Other programs have a prompt in words under this key.
  const auto is_graph = [](std::string_view text) {
    return trimmed(text, " \t\r\n").starts_with('{');
  };
  if (const std::string* graph = whole_text(texts, kGraphKey); graph && is_graph(*graph))
    return *graph;
  for (const PictureText& text : texts.texts) {
    const std::string_view value = text.value ? std::string_view(*text.value) : std::string_view();
    constexpr std::string_view kMark = "prompt:";
    if (value.starts_with(kMark) && is_graph(value.substr(kMark.size())))
      return value.substr(kMark.size());
  }
  return std::nullopt;
}

std::optional<Recipe> recipe_in(const PictureTexts& texts, const std::string& file) {
  const std::string* const text = whole_text(texts, kCommentKey);
  if (const auto info = text != nullptr ? parse_infotext(*text) : std::nullopt) {
    const std::string* const version = info->find("Version");
    const std::string name = program_version().substr(0, program_version().find(' ') + 1);
    const bool is_own = version != nullptr && version->starts_with(name);
    return is_own ? own_recipe(*info) : web_ui_recipe(*info);
  }
  const auto graph = graph_in(texts);
  return graph ? std::optional(comfy_recipe(*graph, file)) : std::nullopt;
}

/// Notes what `generate` would refuse.
void check_recipe(Recipe& recipe) {
  const auto flag_of = [](const Parameter& row) { return row.flag_text(); };
  if (const auto problem = pair_problem(recipe.request, flag_of))
    recipe.notes.push_back(fmt::format("{}: {}", problem->row->flag_text(), problem->text));
  try {
    check_prompts(recipe.request);
  } catch (const Error& error) {
    recipe.notes.push_back(fmt::format("{}: {}", parameters::kPrompt.flag_text(), error.what()));
  }
}

/// The prompt whose choices are drawn to this one: its braces are escaped.
std::string undrawn(std::string_view prompt) {
  std::string text;
  for (std::size_t i = 0; i < prompt.size(); ++i) {
    if (prompt[i] == '\\' && i + 1 < prompt.size())
      text += prompt[i++];
    else if (prompt[i] == '{' || prompt[i] == '}')
      text += '\\';
    text += prompt[i];
  }
  return text;
}

template <typename T>
std::string word_of(const T& value) {
  if constexpr (std::is_same_v<T, Choice>) {
    return value.name;
  } else if constexpr (std::is_same_v<T, std::string>) {
    return undrawn(value);
  } else {
    return fmt::format("{}", value);
  }
}

void add_parameters(const Request& request, std::vector<std::string>& words) {
  const Request usual;
  each_parameter(
      [&words](const Parameter& row, const auto& value, const auto& its_default) {
        using T = std::decay_t<decltype(value)>;
        if (!row.flag_name.empty() || (!row.is_required && value == its_default)) return;
        if constexpr (kind_of<T>() == ParameterKind::kList) {
          for (const std::string& text : value) words.insert(words.end(), {row.flag_text(), text});
        } else if constexpr (kind_of<T>() == ParameterKind::kSwitch) {
          words.push_back(row.flag_text());
        } else if constexpr (kIsOptional<T>) {
          words.insert(words.end(), {row.flag_text(), word_of(*value)});
        } else {
          words.insert(words.end(), {row.flag_text(), word_of(value)});
        }
      },
      request, usual);
  if (request.width > 0) {
    words.insert(words.end(), {parameters::kWidth.flag_text(),
                               fmt::format("{}x{}", request.width, request.height)});
  }
}

}  // namespace

std::string noted_text(std::string_view text) { return short_text(text, 100); }

std::string file_part(std::string_view name) {
  const std::size_t slash = name.find_last_of("/\\");
  return std::string(name.substr(slash == name.npos ? 0 : slash + 1));
}

double strength_of(int made, int steps) {
  constexpr int kWhole = 10'000;
  int part = kWhole / steps * made;
  while (part < kWhole && static_cast<int>(steps * (static_cast<double>(part) / kWhole)) < made)
    ++part;
  return static_cast<double>(part) / kWhole;
}

void take_size(Recipe& recipe, std::string_view name, std::string_view text) {
  const std::size_t x = std::min(text.find('x'), text.size());
  int width = 0, height = 0;
  take(recipe, parameters::kWidth, name, text.substr(0, x), width);
  take(recipe, parameters::kHeight, name, text.substr(std::min(x + 1, text.size())), height);
  if (width == 0 || height == 0) return;
  recipe.request.width = width;
  recipe.request.height = height;
}

std::optional<Recipe> read_recipe(const PictureTexts& texts, const std::string& file) {
  std::optional<Recipe> recipe = recipe_in(texts, file);
  for (const std::string_view key : {kCommentKey, kGraphKey}) {
    const PictureText* const text = texts.find(key);
    if (recipe || text == nullptr || text->value) continue;
    fail(ErrorKind::kCorrupt,
         "cannot read the text \"{}\" in {}: expected at most {} bytes of text in all", key, file,
         kPictureTextBytes);
  }
  if (!recipe) return recipe;
  const Size size = texts.picture.upright();
  Request& request = recipe->request;
  if (request.width == 0) {
    take_size(*recipe, parameters::kWidth.flag_text(), fmt::format("{}x{}", size.w, size.h));
  } else if (Size{request.width, request.height} != size) {
    note(*recipe, recipe_words::kNoteResized, size.w, size.h);
  }
  check_recipe(*recipe);
  return recipe;
}

std::vector<std::string> command_of(const Recipe& recipe, const std::string& output) {
  std::vector<std::string> words{"semblance", "generate"};
  const auto add = [&words](std::string_view flag, const std::string& value) {
    if (!value.empty()) words.insert(words.end(), {std::string(flag), value});
  };
  each_model_path(
      [&add](const ModelPathRow& row, const auto& path) { add(row.flag, path.string()); },
      recipe.models);
  for (const std::string& face : recipe.faces) add("--face", face);
  if (recipe.faces.empty()) add("--face", "FACE.jpg");
  add("--pose", recipe.pose);
  add("--init", recipe.request.strength && recipe.initial.empty() ? "START.png" : recipe.initial);
  add("--mask", recipe.request.has_mask && recipe.mask.empty() ? "MASK.png" : recipe.mask);
  add_parameters(recipe.request, words);
  add("--precision", recipe.precision);
  add(names_card(recipe.backend) ? "--device" : "--backend", recipe.backend);
  add("-o", output);
  return words;
}

std::vector<std::string> needs_of(const Recipe& recipe) {
  const Request& request = recipe.request;
  const bool has_person = request.identity_strength > 0 || request.adapter_strength > 0;
  std::vector<std::string> needs;
  if (recipe.faces.empty()) needs.push_back(filled(recipe_words::kNoteFace));
  if (!has_person) needs.push_back(filled(recipe_words::kNoteNoPerson));
  if (request.strength && recipe.initial.empty())
    needs.push_back(filled(recipe_words::kNoteInitial));
  if (request.has_mask && recipe.mask.empty()) needs.push_back(filled(recipe_words::kNoteMask));
  if (!request.controls.empty()) needs.push_back(filled(recipe_words::kNoteControls));
  // A graph has all photos; a picture to start from sets the position, too.
  const bool is_placed = recipe.kind == Recipe::Kind::kComfyUi || request.strength;
  if (has_person && !is_placed && recipe.pose.empty())
    needs.push_back(filled(recipe_words::kNotePose));
  return needs;
}

}  // namespace semblance
