#include "cli/prompt_flags.h"

#include "text/text_lines.h"

namespace semblance::cli {

void PromptFlags::declare_sources(Flags& flags) {
  flags.path("--styles", "FILE",
             "Styles of your own: a styles.csv of AUTOMATIC1111, or a JSON list of {\"name\", "
             "\"prompt\", \"negative_prompt\"}, where {prompt} stands for the prompt.",
             styles_);
  flags.path("--wildcards", "DIR",
             "A folder of .txt files: __name__ in a prompt is a line of name.txt, drawn by the "
             "seed. {red|green} draws without files. docs/prompts.md tells all of it.",
             wildcards_);
}

void PromptFlags::declare(Flags& flags) {
  declare_sources(flags);
  flags.path("--prompts", "FILE",
             "In place of --prompt: a text file with a prompt a line. --images pictures are made "
             "for each.",
             file_);
}

std::vector<std::string> PromptFlags::names() { return {"--styles", "--wildcards", "--prompts"}; }

void PromptFlags::read_file() {
  constexpr auto kMostLines = static_cast<std::size_t>(parameters::kCount.most);
  if (has_file()) lines_ = read_prompts(file_, kMostLines, kMostPromptBytes);
}

std::vector<Request> PromptFlags::requests(const Request& request, int images) const {
  PromptSources all = sources();
  return picture_requests(request, lines_, images, all, parameters::kStyle.flag_text());
}

}  // namespace semblance::cli
