#include "text/prompt.h"

#include <cstddef>

namespace semblance {

bool uses_prompt_weights(std::string_view prompt) {
  for (std::size_t i = 0; i < prompt.size(); ++i) {
    if (prompt[i] == '\\') {
      ++i;  // escapes one character, a backslash included
    } else if (prompt[i] == '(' || prompt[i] == '[') {
      return true;
    }
  }
  return false;
}

}  // namespace semblance
