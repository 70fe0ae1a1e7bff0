// The longest prompts: their memory, and that nothing waits for them.
#include <set>

#include "cli/serve_test.h"
#include "pipeline/request.h"

namespace semblance::cli {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::json;

class ServePrompts : public ServeTest {
 protected:
  static Json with_longest(Json settings, const std::string& piece) {
    std::string prompt;
    while (prompt.size() + piece.size() <= kMostPromptBytes) prompt += piece;
    settings["prompt"] = prompt;
    settings["negative_prompt"] = prompt;
    return settings;
  }
};

TEST_F(ServePrompts, SixtyFourLongestPromptsStayOnDisk) {
  Service service = serve({"--memory", "256MiB", "--queue", "64", "--quiet"});
  service.finished_picture(service.settings(64, 1));
  const std::string running = service.submit(with_longest(service.settings(256, 100), "snow, "));
  service.reaches_step(running, 1);
  const std::uint64_t before = service.memory("VmRSS");
  std::vector<std::string> ids;
  for (int i = 0; i < 64; ++i)
    ids.push_back(service.submit(with_longest(service.settings(64, 1, i), "\x01!a ")));
  std::vector<std::unique_ptr<Events>> followers;
  for (int i = 0; i < 64; ++i)
    followers.push_back(
        std::make_unique<Events>(service.port(), "/api/jobs/" + running + "/events"));
  for (const auto& follower : followers) EXPECT_TRUE(follower->next());
  const Reply list = service.ask("GET", "/api/jobs?limit=200");
  EXPECT_EQ(Json::parse(list.body)["jobs"].size(), 66U);
  EXPECT_LT(list.body.size(), 1U << 20U);
  const Json whole = service.job(ids[0])["settings"];
  EXPECT_EQ(whole["prompt"].get<std::string>().size(), kMostPromptBytes);
  // The threads of 64 followers need some of it.
  EXPECT_LT(service.memory("VmRSS"), before + (24ULL << 20U));
  RecordProperty("more_mib", static_cast<int>((service.memory("VmRSS") - before) >> 20U));
  const auto begin = Clock::now();
  EXPECT_EQ(service.ask("POST", "/api/jobs/" + running + "/cancel").status, 200);
  EXPECT_EQ(service.ended(running)["state"], "cancelled");
  EXPECT_LT(seconds_since(begin), 10);
  RecordProperty("cancel_ms", static_cast<int>(seconds_since(begin) * 1000));
  followers.clear();
  const auto end = Clock::now();
  service.stop().exits(0);
  EXPECT_LT(seconds_since(end), 10);
  RecordProperty("end_ms", static_cast<int>(seconds_since(end) * 1000));
}

TEST_F(ServePrompts, TheyMakePictures) {
  Service service = serve();
  const Json settings = with_longest(service.settings(64, 1), "a b ");
  const std::string id = service.submit(settings);
  EXPECT_EQ(service.ended(id, 600s)["state"], "done") << service.job(id).dump().substr(0, 300);
  EXPECT_NE(service.picture(id).find(settings["prompt"].get<std::string>()), std::string::npos);
}

TEST_F(ServePrompts, HaveStylesChoicesAndWildcards) {
  fs::create_directories(folder() / "cards");
  write_bytes(file("cards/hair.txt"), "red\nblond\ngrey\n");
  write_bytes(file("styles.csv"), "name,prompt,negative_prompt\nOil,oil painting,photo\n");
  Service service = serve({"--wildcards", file("cards"), "--styles", file("styles.csv")});
  Json settings = service.settings(64, 1);
  settings["prompt"] = "a {tall|small} man with __hair__ hair";
  settings["style"] = "oil";
  settings["seed"] = 3;
  settings["count"] = 6;
  const std::string id = service.submit(settings);
  ASSERT_EQ(service.ended(id)["state"], "done") << service.job(id).dump();
  EXPECT_EQ(service.job(id)["settings"]["prompt"], settings["prompt"]);
  std::set<std::string> prompts;
  for (int i = 0; i < 6; ++i) {
    const std::string png = service.picture(id, i);
    const std::size_t begin = png.find("parameters") + 11;
    const std::string prompt = png.substr(begin, png.find("\nSteps: ", begin) - begin);
    EXPECT_TRUE(prompt.ends_with(" hair, oil painting\nNegative prompt: photo")) << prompt;
    EXPECT_EQ(prompt.find_first_of("{|_"), std::string::npos) << prompt;
    prompts.insert(prompt);
  }
  EXPECT_GT(prompts.size(), 2U);
}

TEST_F(ServePrompts, AreRefusedWhenTheyAreSent) {
  Service service = serve();
  const auto refusal = [&](const std::string& key, const Json& value) {
    Json settings = service.settings(64, 1);
    settings[key] = value;
    const Reply reply = service.post("/api/jobs", service.form(settings));
    const Json error = Json::parse(reply.body)["error"];
    EXPECT_EQ(error["param"], key) << reply.body;
    return std::pair(reply.status, error["message"].get<std::string>());
  };
  const auto [weight_status, weight] = refusal("prompt", "a (cat:200)");
  EXPECT_EQ(weight_status, 400);
  EXPECT_NE(weight.find("got 200"), std::string::npos) << weight;
  EXPECT_EQ(refusal("prompt", "a <lora:nothing:1>").first, 404);
  EXPECT_EQ(refusal("prompt", "{0::a|0::b}").first, 400);
  EXPECT_NE(refusal("style", "Watercolour").second.find("did you mean Watercolor?"),
            std::string::npos);
  EXPECT_EQ(refusal("encoding", "a111").first, 400);
}

TEST_F(ServePrompts, SigtermWhileOpeningModelsIsHandled) {
  Running opening = start({"serve", "--listen", "127.0.0.1:0", "--data", file("data")});
  std::this_thread::sleep_for(30ms);
  opening.signal(SIGTERM);
  opening.end_within(10s);
}

}  // namespace
}  // namespace semblance::cli
