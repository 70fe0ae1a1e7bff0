// How a picture was made, as the texts in its file say it, and the command that makes it again:
//
//   Semblance      "parameters" (app/parameters.h)
//   AUTOMATIC1111  "parameters", which other programs write in the same format
//   ComfyUI        "prompt", the graph of nodes in the format of its API
//
// What a Request cannot carry over is named in the notes, in language().
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/infotext.h"
#include "image/picture_text.h"
#include "pipeline/request.h"

namespace semblance {

struct Recipe {
  enum class Kind : std::uint8_t { kSemblance, kWebUi, kComfyUi };

  Kind kind = Kind::kSemblance;
  std::string made_by = {};  // "semblance 0.1.0", "AUTOMATIC1111 v1.10.1", "ComfyUI"
  Request request = {};      // the prompts as they were drawn
  InfoFields fields = {};    // all that the text says beside the prompts

  // Names of files, as far as the text has them.
  ModelPaths models = {};
  std::vector<std::string> faces = {};
  std::string pose = {};
  std::string initial = {};
  std::string mask = {};

  std::string precision = {};  // empty: not known
  std::string backend = {};    // likewise; "gpu" and "gpu:..." are devices
  std::vector<std::string> notes = {};
};

/// Nothing if no text is of a known kind. Throws Error(kCorrupt) for one that cannot be read: a
/// graph that is no JSON, or whose nodes lead back to themselves, or a text that is too long.
/// `file` is for messages.
std::optional<Recipe> read_recipe(const PictureTexts& texts, const std::string& file);

/// The words of `semblance generate` for a recipe: flags for what is not the default. Files
/// that the recipe lacks are FACE.jpg, START.png and MASK.png.
std::vector<std::string> command_of(const Recipe& recipe, const std::string& output);

/// What the command needs and the recipe lacks, one a line.
std::vector<std::string> needs_of(const Recipe& recipe);

/// A text of the recipe's file, short enough for a note.
std::string noted_text(std::string_view text);

}  // namespace semblance
