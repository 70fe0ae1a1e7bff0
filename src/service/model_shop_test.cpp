// Downloading and switching models, against a server with the hub's routes.
#include "service/model_shop.h"

#include <nlohmann/json.hpp>

#include "hub/hub_server_test.h"
#include "service/service_test.h"
#include "tests/support/golden.h"

namespace semblance::service {
namespace {

using nlohmann::json;
using semblance::testing::Fault;
using semblance::testing::HubServer;

namespace fs = std::filesystem;

class ModelShopTest : public testing::ServiceTest {
 protected:
  ModelShopTest() {
    setenv("no_proxy", "127.0.0.1,localhost", 1);
    hub_.endpoint = hub_.face_endpoint = server_.url();
    std::map<std::string, std::string> base, instantid;
    for (const auto& entry : fs::recursive_directory_iterator(checkpoint() / "base")) {
      if (!entry.is_regular_file()) continue;
      const fs::path name = entry.path().lexically_relative(checkpoint() / "base");
      base[name.string()] = testing::bytes_of(entry.path());
    }
    for (const auto& entry : fs::directory_iterator(checkpoint() / "identitynet"))
      instantid["ControlNetModel/" + entry.path().filename().string()] =
          testing::bytes_of(entry.path());
    instantid["ip-adapter.bin"] = testing::bytes_of(checkpoint() / "ip-adapter.bin");
    server_.publish("InstantX/InstantID", instantid);
    server_.publish("stabilityai/stable-diffusion-xl-base-1.0", base);
    for (const FacePack::Member& member : antelopev2().members) {
      fs::create_directories(hub_.face_models / antelopev2().name);
      std::ofstream(hub_.face_models / antelopev2().name / member.name) << "there already";
    }
    begin();
  }

  static fs::path checkpoint() {
    return semblance::testing::golden_path("pipeline/fp16_published") / "checkpoint";
  }

  json ask(const std::string& method, const std::string& path, const std::string& body = "") {
    HttpRequest request;
    request.method = method;
    request.path = path;
    request.body = body;
    const Router::Match match = router().find(method, path);
    return json::parse(match.route->handler(request, match.captures).body.whole());
  }
  bool reaches(const std::string& phase) {
    return becomes_true([&] { return state()["download"]["phase"] == phase; });
  }
  json state() { return ask("GET", "/api/models"); }
  json pull() { return ask("POST", "/api/models/pull", R"({"accept_licences": true})"); }

  HubServer server_;
};

TEST_F(ModelShopTest, DownloadsWhatIsMissing) {
  json before = state();
  EXPECT_EQ(before["in_use"], "demo");
  EXPECT_EQ(before["complete"], false);
  ASSERT_EQ(before["parts"].size(), 3U);
  EXPECT_EQ(before["parts"][0]["name"], "sdxl");
  EXPECT_NE(before["parts"][0]["licence"], "");
  EXPECT_EQ(before["download"]["phase"], "idle");
  EXPECT_EQ(refusal([&] { ask("POST", "/api/models/pull", R"({"accept_licences": false})"); }),
            "400 argument");
  pull();
  ASSERT_TRUE(reaches("done")) << state();
  const json after = state();
  EXPECT_EQ(after["complete"], true) << after;
  EXPECT_GT(after["parts"][0]["stored_bytes"], 1000U);
  EXPECT_EQ(after["download"]["bytes"], after["download"]["total_bytes"]);
}

TEST_F(ModelShopTest, ADownloadIsCancelledAndContinues) {
  server_.fault("ip-adapter", {.pause_ms = 20});
  pull();
  ASSERT_TRUE(reaches("downloading")) << state();
  EXPECT_EQ(refusal([&] { pull(); }), "409 busy");
  ask("POST", "/api/models/cancel");
  ASSERT_TRUE(reaches("cancelled")) << state();
  EXPECT_EQ(state()["complete"], false);
  server_.fault("ip-adapter", {.times = 0});
  pull();
  ASSERT_TRUE(reaches("done")) << state();
  EXPECT_EQ(state()["complete"], true);
}

TEST_F(ModelShopTest, AFailureSaysWhy) {
  hub_.endpoint = "http://127.0.0.1:1";
  pull();
  ASSERT_TRUE(reaches("failed")) << state();
  EXPECT_NE(state()["download"]["problem"].get<std::string>().find("127.0.0.1"), std::string::npos)
      << state();
}

TEST_F(ModelShopTest, OtherModelsAreUsedOnceTheQueueIsEmpty) {
  const auto use = [&](const std::string& name) {
    return ask("POST", "/api/models/use", json{{"name", name}}.dump());
  };
  EXPECT_EQ(refusal([&] { use("other"); }), "400 argument");
  EXPECT_EQ(refusal([&] { use("photos"); }), "missing");
  const fs::path demo = testing::demo_folder();
  other_models_ = {
      {checkpoint() / "base", checkpoint() / "identitynet", checkpoint() / "ip-adapter.bin"},
      {.folder = demo / "face-models"},
      false};
  const std::string file = testing::photo();
  const std::string id = jobs().submit(request(file, 60)).id;
  EXPECT_EQ(refusal([&] { use("photos"); }), "409 busy");
  jobs().cancel(id);
  ASSERT_TRUE(becomes(id, JobState::kCancelled));
  EXPECT_EQ(use("photos")["in_use"], "photos");
  EXPECT_EQ(ask("GET", "/api/info")["model"]["name"], "base");
  const std::string made = jobs().submit(request(file)).id;
  ASSERT_TRUE(becomes(made, JobState::kDone));

  const ModelSet works = *other_models_;
  other_models_->models.base = folder() / "nowhere";
  EXPECT_EQ(refusal([&] { use("photos"); }), "missing");
  EXPECT_EQ(ask("GET", "/api/info")["model"]["name"], "base") << "the present ones stay";
  const std::string again = jobs().submit(request(file)).id;
  ASSERT_TRUE(becomes(again, JobState::kDone));
}

TEST_F(ModelShopTest, OtherModelsThatAreHereAreListed) {
  const fs::path models = fs::path(folder()) += "_models";
  const fs::path checkpoints = models / "checkpoints";
  fs::create_directories(checkpoints);
  const fs::path film = semblance::testing::golden_path("weights/single_file/tiny.safetensors");
  fs::copy_file(film, checkpoints / "film.safetensors");
  fs::copy_file(film, checkpoints / "photos.safetensors");
  std::ofstream(checkpoints / "broken.safetensors") << "no weights";
  const fs::path started = checkpoint() / "base";
  const ModelShop shop([this] { return hub_; }, pull_options_,
                       {.models_dir = models, .started = started});
  std::vector<std::string> names;
  for (const OtherModel& other : shop.others()) names.push_back(other.name);
  // A name that stands for something else gives way to the path.
  EXPECT_EQ(names, (std::vector<std::string>{"base", "film",
                                             (checkpoints / "photos.safetensors").string()}));
  EXPECT_EQ(shop.others()[1].bytes, fs::file_size(film));
  EXPECT_EQ(shop.others()[0].path, started);
  fs::remove_all(models);
}

}  // namespace
}  // namespace semblance::service
