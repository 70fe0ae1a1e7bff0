// links: semblance_app
// Any bytes as a picture, and as a text of one, give a command that a shell reads as its words, or
// an Error. The first byte says which: a picture, "parameters", or else "prompt".
#include <cstdlib>

#include "app/recipe.h"
#include "app/shell_text.h"
#include "core/error.h"

namespace {

using namespace semblance;

/// Reads a command of words in single quotes, $'...' or none, as a shell does, and counts them.
std::size_t words_in(const std::string& command) {
  std::size_t words = 0;
  bool in_word = false;
  for (std::size_t i = 0; i < command.size(); ++i) {
    const bool escapes = command.compare(i, 2, "$'") == 0;
    if (command[i] == ' ') {
      in_word = false;
      continue;
    }
    words += in_word ? 0 : 1;
    in_word = true;
    if (command[i] == '\\') {
      ++i;
      continue;
    }
    if (command[i] != '\'' && !escapes) continue;
    i += escapes ? 2 : 1;
    while (i < command.size() && command[i] != '\'') i += escapes && command[i] == '\\' ? 2 : 1;
    if (i >= command.size()) std::abort();  // a quote that is never closed
  }
  return words;
}

void check(const PictureTexts& texts) {
  const auto recipe = read_recipe(texts, "fuzz");
  if (!recipe) return;
  const std::vector<std::string> words = command_of(*recipe, "again.png");
  const std::string command = shell_command(words);
  if (words_in(command) != words.size() || shown_text(command) != command) std::abort();
  for (const std::string& text : recipe->notes) {
    if (text.empty()) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  try {
    if (data[0] == 'f') {
      check(read_texts(*file_over("fuzz", bytes)));
    } else {
      PictureTexts texts;
      texts.picture.stored = {64, 64};
      texts.texts.push_back({data[0] == 'a' ? "parameters" : "prompt", std::string(bytes)});
      check(texts);
    }
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kCorrupt && error.kind() != ErrorKind::kArgument) std::abort();
  }
  return 0;
}
