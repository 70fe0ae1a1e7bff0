// The routes of AUTOMATIC1111's web UI that change the models, and those of its ControlNet
// extension.
#include <nlohmann/json.hpp>

#include "image/canny.h"
#include "image/decode.h"
#include "image/testing.h"
#include "service/base64.h"
#include "service/service_test.h"

namespace semblance::service {
namespace {

using nlohmann::json;
using semblance::testing::crc32_of;
using semblance::testing::golden_json;
using semblance::testing::golden_path;

namespace fs = std::filesystem;

class WebUiRoutes : public testing::ServiceTest {
 protected:
  WebUiRoutes() { begin(); }

  json ask(const std::string& method, const std::string& path, const json& body = nullptr) {
    HttpRequest request{.method = method, .path = path, .body = body.dump()};
    const Router::Match match = router().find(method, path);
    return json::parse(match.route->handler(request, match.captures).body.whole());
  }
  /// "status code param" of the refusal of a POST.
  std::string refused(const std::string& path, const json& body) {
    try {
      ask("POST", path, body);
    } catch (const HttpError& error) {
      const json answer = json::parse(error.response().body.whole())["error"];
      return fmt::format("{} {} {}", error.response().status, answer["code"].get<std::string>(),
                         answer["param"].is_null() ? "" : answer["param"].get<std::string>());
    }
    return "no error";
  }
};

TEST_F(WebUiRoutes, OptionsSwitchTheModel) {
  const auto names = [&] {
    std::vector<std::string> all;
    for (const json& each : ask("GET", "/sdapi/v1/sd-models")) all.push_back(each["title"]);
    return all;
  };
  const auto model = [&] {
    return ask("GET", "/sdapi/v1/options")["sd_model_checkpoint"].get<std::string>();
  };
  const auto wants = [](const char* name) { return json{{"sd_model_checkpoint", name}}; };
  const std::string path = "/sdapi/v1/options";
  EXPECT_EQ(names(), std::vector<std::string>{"semblance-demo"});
  EXPECT_EQ(refused(path, wants("base")), "404 not_found sd_model_checkpoint");
  const fs::path checkpoint = golden_path("pipeline/fp16_published") / "checkpoint";
  other_models_ = {{checkpoint / "base", checkpoint / "identitynet", checkpoint / "ip-adapter.bin"},
                   {.folder = testing::demo_folder() / "face-models"},
                   false};
  EXPECT_EQ(names(), (std::vector<std::string>{"semblance-demo", "base"}));
  const std::string file = testing::photo();
  const std::string id = jobs().submit(request(file, 60)).id;
  EXPECT_EQ(refused(path, wants("base")), "409 busy ");
  EXPECT_EQ(ask("POST", path, wants("semblance-demo")), nullptr) << "it is in use";
  jobs().cancel(id);
  ASSERT_TRUE(becomes(id, JobState::kCancelled));
  EXPECT_EQ(refused(path, {{"sd_model_checkpoint", "base"}, {"randn_source", "NV"}}),
            "400 argument randn_source");
  EXPECT_EQ(model(), "semblance-demo");
  EXPECT_EQ(ask("POST", path, wants("base")), nullptr);
  EXPECT_EQ(model(), "base");
  EXPECT_EQ(engine().facts().name, "base");
}

TEST_F(WebUiRoutes, DetectFindsEdgesAsOpenCvDoes) {
  const std::string bytes = testing::bytes_of(golden_path("image/astronaut.jpg"));
  const auto detected = [&](json more) {
    json body{{"controlnet_input_images", {base64(bytes)}}};
    body.update(more);
    const json answer = ask("POST", "/controlnet/detect", body);
    EXPECT_EQ(answer["info"], "Success");
    const auto png = from_base64(answer["images"].at(0).get<std::string>());
    return decode(*file_over("the answer", png.value()));
  };
  const auto white = [](const Image& edges) { return std::ranges::count(edges.pixels(), 255); };
  const json golden = golden_json("canny.json")[0];  // 512x512, the photo's own size
  const Image edges = detected({{"controlnet_module", "canny"}});
  EXPECT_EQ(crc32_of(edges.pixels()), golden["crc"].get<std::uint32_t>());
  const Image more = detected({{"controlnet_module", "Canny"},
                               {"controlnet_processor_res", 512},
                               {"controlnet_threshold_a", 20},
                               {"controlnet_threshold_b", 40}});
  EXPECT_GT(white(more), white(edges));
  EXPECT_EQ(detected({{"controlnet_module", "canny"}, {"controlnet_processor_res", 128}}).size(),
            (Size{128, 128}));
  const Image same = detected(json::object());
  EXPECT_TRUE(std::ranges::equal(same.pixels(), decode(*file_over("the photo", bytes)).pixels()));
}

TEST_F(WebUiRoutes, DetectRefusesByName) {
  const std::string photo = base64(testing::photo());
  const std::vector<std::pair<json, std::string>> table = {
      {{{"controlnet_module", "depth_midas"}}, "501 not_implemented controlnet_module"},
      {{{"controlnet_input_images", nullptr}}, "400 argument controlnet_input_images"},
      {{{"controlnet_input_images", json::array()}}, "400 argument controlnet_input_images"},
      {{{"controlnet_input_images", {"?"}}}, "400 argument controlnet_input_images"},
      {{{"controlnet_input_images", {base64("x")}}}, "400 argument controlnet_input_images"},
      {{{"controlnet_input_images", std::vector<std::string>(17, photo)}},
       "400 argument controlnet_input_images"},
      {{{"controlnet_processor_res", 5000}}, "400 argument controlnet_processor_res"},
      {{{"controlnet_threshold_a", 256}}, "400 argument controlnet_threshold_a"},
      {{{"controlnet_masks", {photo}}}, "400 argument controlnet_masks"},
      {{{"controlnet_modul", "canny"}}, "400 argument controlnet_modul"},
  };
  for (const auto& [more, refusal] : table) {
    json body{{"controlnet_module", "canny"}, {"controlnet_input_images", {photo}}};
    body.update(more);
    EXPECT_EQ(refused("/controlnet/detect", body), refusal) << more.begin().key();
  }
}

}  // namespace
}  // namespace semblance::service
