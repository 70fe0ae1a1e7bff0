// The prompts of each picture of a run: a style is put around what the user wrote, then the choices
// ({a|b}, __name__) are drawn by the picture's seed. What comes out is plain data, so that a saved
// run and the text in a picture say what the picture was made of. All front ends may use it.
#pragma once

#include <filesystem>
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
/// From a file of styles and a folder of wildcards; empty: none. Throws what their readers throw.
PromptSources open_prompt_sources(const std::filesystem::path& styles,
                                  const std::filesystem::path& wildcards);

/// The request of one picture, with its own seed, which must be set; its style is none afterwards.
/// `style_name` is what messages call it ("--style"). The same request gives the same prompts as
/// long as the files stay as they are. Throws what Styles::find() and draw_choices() throw.
Request with_drawn_prompts(Request request, PromptSources& sources,
                           std::string_view style_name = parameters::kStyle.name);

/// The requests of `count` pictures for each prompt, with seeds counted up from `request`'s, which
/// must be set; `prompts` stand in place of its own, unless there are none.
std::vector<Request> picture_requests(const Request& request,
                                      const std::vector<std::string>& prompts, int count,
                                      PromptSources& sources,
                                      std::string_view style_name = parameters::kStyle.name);

}  // namespace semblance
