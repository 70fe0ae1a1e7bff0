#include "api/picture_prompts.h"

namespace semblance {

Request with_drawn_prompts(Request request, std::string_view style, std::string_view style_name,
                           PromptSources& sources) {
  if (!style.empty())
    apply(sources.styles.find(style, style_name), request.prompt, request.negative);
  ChoiceDraw draw(request.seed.value_or(Request::kSeed));
  request.prompt = draw_choices(request.prompt, draw, sources.wildcards, kMostPromptBytes);
  if (request.negative)
    request.negative = draw_choices(*request.negative, draw, sources.wildcards, kMostPromptBytes);
  return request;
}

std::vector<Request> picture_requests(const Request& request,
                                      const std::vector<std::string>& prompts, int count,
                                      std::string_view style, std::string_view style_name,
                                      PromptSources& sources) {
  const std::vector<std::string>& all =
      prompts.empty() ? std::vector<std::string>{request.prompt} : prompts;
  std::vector<Request> requests;
  std::uint64_t seed = request.seed.value_or(Request::kSeed);
  for (const std::string& prompt : all) {
    for (int i = 0; i < count; ++i) {
      Request one = request;
      one.prompt = prompt;
      one.seed = seed++;
      requests.push_back(with_drawn_prompts(std::move(one), style, style_name, sources));
    }
  }
  return requests;
}

}  // namespace semblance
