#include "app/picture_prompts.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/support/errors.h"

namespace semblance {
namespace {

using testing::error_of;

Request request_for(const std::string& prompt) { return {.prompt = prompt, .seed = 3}; }

TEST(PicturePrompts, HaveTheStyleAroundThem) {
  PromptSources sources;
  Request request = request_for("a man");
  request.negative = "ugly";
  request.style = Choice("film noir");
  const Request drawn = with_drawn_prompts(request, sources);
  EXPECT_NE(drawn.prompt.find("film noir still of a man, "), std::string::npos) << drawn.prompt;
  EXPECT_TRUE(drawn.negative->ends_with(" ugly")) << *drawn.negative;
  EXPECT_FALSE(drawn.style);
  request.style = Choice("Oil");
  EXPECT_NE(error_of([&] {
              with_drawn_prompts(request, sources);
            }).find("cannot take style: there is no style 'Oil'"),
            std::string::npos);
}

TEST(PicturePrompts, DrawTheirChoicesByTheSeed) {
  PromptSources sources;
  std::set<std::string> prompts;
  const std::vector<Request> requests =
      picture_requests(request_for("a {red|green|blue|white} car"), {}, 8, sources);
  ASSERT_EQ(requests.size(), 8U);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    EXPECT_EQ(requests[i].seed, 3 + i);
    prompts.insert(requests[i].prompt);
    Request alone = request_for("a {red|green|blue|white} car");
    alone.seed = 3 + i;
    EXPECT_EQ(with_drawn_prompts(alone, sources).prompt, requests[i].prompt);
  }
  EXPECT_GT(prompts.size(), 1U);
}

TEST(PicturePrompts, AreMadeForEachPromptOfAFile) {
  PromptSources sources;
  const std::vector<Request> requests =
      picture_requests(request_for("not this"), {"a", "b"}, 2, sources);
  std::vector<std::string> prompts;
  for (const Request& request : requests) prompts.push_back(request.prompt);
  EXPECT_EQ(prompts, (std::vector<std::string>{"a", "a", "b", "b"}));
  EXPECT_EQ(requests.back().seed, 6U);
}

}  // namespace
}  // namespace semblance
