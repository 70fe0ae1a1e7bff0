#include "cli/prompt_flags.h"

#include <fmt/ranges.h>

#include "api/picture_prompts.h"
#include "text/text_lines.h"

namespace semblance::cli {

void PromptFlags::declare(Flags& flags) {
  std::vector<std::string_view> styles = Styles().names();
  std::erase(styles, kNoStyle);
  flags.text("--style", "NAME",
             fmt::format("A style that is put around the prompts: {}, or one of --styles. Default: "
                         "none.",
                         fmt::join(styles, ", ")),
             style_);
  flags.path("--styles", "FILE",
             "Styles of your own: a styles.csv of AUTOMATIC1111, or a JSON list of {\"name\", "
             "\"prompt\", \"negative_prompt\"}, where {prompt} stands for the prompt.",
             styles_);
  flags.path("--wildcards", "DIR",
             "A folder of .txt files: __name__ in a prompt is a line of name.txt, drawn by the "
             "seed. {red|green} draws without files. docs/prompts.md tells all of it.",
             wildcards_);
  flags.path("--prompts", "FILE",
             "In place of --prompt: a text file with a prompt a line. --images pictures are made "
             "for each.",
             file_);
}

std::vector<std::string> PromptFlags::names() {
  return {"--style", "--styles", "--wildcards", "--prompts"};
}

void PromptFlags::read_file() {
  constexpr auto kMostLines = static_cast<std::size_t>(parameters::kCount.most);
  if (has_file()) lines_ = read_prompts(file_, kMostLines, kMostPromptBytes);
}

std::vector<Request> PromptFlags::requests(const Request& request, int images) const {
  PromptSources sources;
  if (!styles_.empty()) sources.styles = Styles(styles_);
  if (!wildcards_.empty()) sources.wildcards = Wildcards(wildcards_);
  return picture_requests(request, lines_, images, style_, "--style", sources);
}

}  // namespace semblance::cli
