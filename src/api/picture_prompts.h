// The prompts of each picture of a run: a style is put around what the user wrote, then the choices
// ({a|b}, __name__) are drawn by the picture's seed. What comes out is plain data, so that a saved
// run and the text in a picture say what the picture was made of. All front ends may use it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/request.h"
#include "text/styles.h"
#include "text/wildcards.h"

namespace semblance {

/// Where styles and choices come from. One thread at a time.
struct PromptSources {
  Styles styles = {};
  Wildcards wildcards = {};
};

/// The request of one picture, with its own seed, which must be set. `style`: a name, or empty for
/// none; `style_name` is what messages call it ("--style"). The same request gives the same prompts
/// as long as the files stay as they are. Throws what Styles::find() and draw_choices() throw.
Request with_drawn_prompts(Request request, std::string_view style, std::string_view style_name,
                           PromptSources& sources);

/// The requests of `count` pictures for each prompt, with seeds counted up from `request`'s, which
/// must be set; `prompts` stand in place of its own, unless there are none.
std::vector<Request> picture_requests(const Request& request,
                                      const std::vector<std::string>& prompts, int count,
                                      std::string_view style, std::string_view style_name,
                                      PromptSources& sources);

}  // namespace semblance
