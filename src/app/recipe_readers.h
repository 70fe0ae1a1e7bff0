// The readers behind read_recipe(), one for each kind of text. Private to the room.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "app/infotext.h"
#include "app/recipe.h"
#include "app/recipe_words.h"

namespace semblance {

/// `text` is whole: its last field is "Version: semblance ...".
Recipe own_recipe(const Infotext& text);
Recipe web_ui_recipe(const Infotext& text);
/// Throws Error(kCorrupt).
Recipe comfy_recipe(std::string_view json, const std::string& file);

template <typename... Args>
void note(Recipe& recipe, const Words& words, const Args&... args) {
  recipe.notes.push_back(filled(words, args...));
}

/// Sets a member of the request, or notes why not. `name`: what the text calls it.
template <typename T>
void take(Recipe& recipe, const Parameter& row, std::string_view name, std::string_view text,
          T& member) {
  T value{};
  std::optional<std::string> problem;
  if (kind_of<T>() == ParameterKind::kSwitch && text == "on") text = "true";
  if (!read_text(row, text, value)) {
    problem = expected(rule_of(row, kind_of<T>()), '\'' + noted_text(text) + '\'');
  } else {
    problem = problem_of(row, value);
  }
  if (problem)
    note(recipe, recipe_words::kNoteValue, noted_text(name), *problem);
  else
    member = std::move(value);
}

/// The strength in four digits with which `made` of `steps` steps are made, 1 to 1000.
double strength_of(int made, int steps);

/// "512x768"
void take_size(Recipe& recipe, std::string_view name, std::string_view text);

/// The last part of a name that may have folders of any system in front.
std::string file_part(std::string_view name);

}  // namespace semblance
