// The syntax of prompts.
#pragma once

#include <string_view>

namespace semblance {

/// Whether a prompt has weights in the syntax of the AUTOMATIC1111 web UI: an opening bracket, ( or
/// [, that is not escaped by a backslash. Closing brackets alone are plain text there, too.
bool uses_prompt_weights(std::string_view prompt);

}  // namespace semblance
