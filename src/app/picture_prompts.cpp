#include "app/picture_prompts.h"

#include "pipeline/picture_sampler.h"

namespace semblance {

PromptSources open_prompt_sources(const std::filesystem::path& styles,
                                  const std::filesystem::path& wildcards) {
  PromptSources sources;
  if (!styles.empty()) sources.styles = Styles(styles);
  if (!wildcards.empty()) sources.wildcards = Wildcards(wildcards);
  return sources;
}

Request with_drawn_prompts(Request request, PromptSources& sources, std::string_view style_name) {
  const std::optional<std::string> negative = request.negative;
  if (request.style)
    apply(sources.styles.find(request.style->name, style_name), request.prompt, request.negative);
  // The pictures of a batch with one seed differ in their number.
  ChoiceDraw draw(request.seed.value_or(Request::kSeed) +
                  static_cast<std::uint64_t>(request.noise_picture));
  request.prompt = draw_choices(request.prompt, draw, sources.wildcards, kMostPromptBytes);
  if (request.negative)
    request.negative = draw_choices(*request.negative, draw, sources.wildcards, kMostPromptBytes);
  for (std::string& text : request.people) {
    std::optional<std::string> prompt = parse_person(text).prompt;
    if (!prompt) continue;
    std::optional<std::string> unused = negative;
    if (request.style) apply(sources.styles.find(request.style->name, style_name), *prompt, unused);
    text = with_prompt(text, draw_choices(*prompt, draw, sources.wildcards, kMostPromptBytes));
  }
  request.style.reset();
  return request;
}

std::vector<Request> picture_requests(const Request& request,
                                      const std::vector<std::string>& prompts, int count,
                                      PromptSources& sources, std::string_view style_name) {
  const std::vector<std::string>& all =
      prompts.empty() ? std::vector<std::string>{request.prompt} : prompts;
  std::vector<Request> requests;
  const int pictures = static_cast<int>(all.size()) * count;
  for (const std::string& prompt : all) {
    for (int i = 0; i < count; ++i) {
      Request one = nth_picture(request, static_cast<int>(requests.size()), pictures);
      one.prompt = prompt;
      requests.push_back(with_drawn_prompts(std::move(one), sources, style_name));
    }
  }
  return requests;
}

}  // namespace semblance
