// OpenAI's API as its clients see it: links to pictures, JSON bodies and errors.
#include <fmt/core.h>

#include "cli/png_bombs_test.h"
#include "cli/serve_test.h"
#include "service/base64.h"

namespace semblance::cli {
namespace {

using Json = nlohmann::json;

class ServeOpenAI : public ServeTest {
 protected:
  static constexpr const char* kBearer = "Authorization: Bearer correct-horse-battery\r\n";

  Service serve_with_key(const std::vector<std::string>& more = {}) {
    write_bytes(file("key"), "correct-horse-battery\n");
    std::vector<std::string> flags{"--api-key-file", file("key")};
    flags.insert(flags.end(), more.begin(), more.end());
    return serve(flags);
  }
  static Form edit() {
    return Form()
        .add("image", demo_photo(), "me.png")
        .add("prompt", "a man")
        .add("size", "64x64")
        .add("steps", "1")
        .add("seed", "7");
  }
  /// The url of the first picture.
  static std::string url_of(const Service& service, const std::string& headers = "") {
    const Reply reply =
        service.post("/v1/images/edits", edit().add("response_format", "url"), kBearer + headers);
    EXPECT_EQ(reply.status, 200) << reply.body;
    return Json::parse(reply.body)["data"][0]["url"];
  }
  /// The URL without scheme and host.
  static std::string target_of(const std::string& url) {
    return url.substr(url.find('/', url.find("://") + 3));
  }
};

TEST_F(ServeOpenAI, ALinkServesItsPictureWithoutTheKey) {
  Service service = serve_with_key();
  const std::string url = url_of(service);
  EXPECT_TRUE(url.starts_with("http://localhost/api/jobs/")) << url;
  const std::string target = target_of(url);
  const Reply picture = service.ask("GET", target);
  EXPECT_EQ(picture.status, 200) << picture.body;
  EXPECT_TRUE(picture.body.starts_with("\x89PNG"));
  EXPECT_EQ(picture.headers.at("cross-origin-resource-policy"), "cross-origin");
  EXPECT_EQ(picture.headers.at("cache-control"), "private, max-age=3600");
  EXPECT_EQ(service.ask("GET", target, "", "Sec-Fetch-Site: cross-site\r\n").status, 200);
  EXPECT_EQ(service.ask("HEAD", target).status, 200);
  // It opens nothing else.
  const std::string path = target.substr(0, target.find('?'));
  const std::string right = target.substr(target.find('?'));
  const std::string job = path.substr(0, path.find("/images"));
  EXPECT_EQ(service.ask("GET", path).status, 401);
  EXPECT_EQ(service.ask("GET", target + "0").status, 401);
  EXPECT_EQ(service.ask("GET", job + "/images/1" + right).status, 401);
  EXPECT_EQ(service.ask("GET", job + right).status, 401);
  EXPECT_EQ(service.ask("DELETE", job + right).status, 401);
  EXPECT_EQ(service.ask("GET", "/api/jobs" + right).status, 401);
  // It survives a restart, but not the removal of its picture.
  service.stop();
  Service again = serve_with_key();
  EXPECT_EQ(again.ask("GET", target).body, picture.body);
  EXPECT_EQ(again.ask("DELETE", job, "", kBearer).status, 204);
  EXPECT_EQ(again.ask("GET", target).status, 404);
}

TEST_F(ServeOpenAI, LinksStartWithTheServicesUrl) {
  const std::string said = "X-Forwarded-Proto: https\r\nX-Forwarded-Host: semblance.example\r\n";
  {
    Service service = serve_with_key({"--host", "semblance.example", "--proxy", "127.0.0.1"});
    EXPECT_TRUE(url_of(service, said).starts_with("https://semblance.example/api/jobs/"));
  }
  {
    Service service = serve_with_key({"--host", "semblance.example"});
    EXPECT_TRUE(url_of(service, said).starts_with("http://localhost/api/jobs/"));
  }
  Service service = serve_with_key({"--public-url", "https://semblance.example/faces/"});
  const std::string url = url_of(service);
  EXPECT_TRUE(url.starts_with("https://semblance.example/faces/api/jobs/")) << url;
  run({"serve", "--listen", "127.0.0.1:0", "--data", file("other"), "--public-url", "semblance"})
      .exits(2)
      .says("cannot take the public URL semblance: expected http:// or https://, a host name");
  run({"serve", "--listen", "127.0.0.1:0", "--data", file("other"), "--proxy", "nginx"})
      .exits(2)
      .says("cannot trust the proxy nginx: expected a numeric address");
}

TEST_F(ServeOpenAI, JsonAndFormBodiesGiveTheSamePicture) {
  Service service = serve();
  Json body{{"images", {{{"image_url", "data:image/png;base64," + service::base64(demo_photo())}}}},
            {"prompt", "a man"},
            {"size", "64x64"},
            {"steps", 1},
            {"seed", 7}};
  const auto post = [&] {
    return service.ask("POST", "/v1/images/edits", body.dump(),
                       "Content-Type: application/json; charset=utf-8\r\n");
  };
  const Reply json = post(), form = service.post("/v1/images/edits", edit());
  ASSERT_EQ(json.status, 200) << json.body;
  EXPECT_EQ(Json::parse(json.body)["data"], Json::parse(form.body)["data"]);
  body["stream"] = true;
  EXPECT_EQ(post().headers.at("content-type"), "text/event-stream");
}

/// "status param message" of an error.
std::string error_in(const Reply& reply) {
  const Json error = Json::parse(reply.body)["error"];
  return fmt::format("{} {} {}", reply.status, error["param"].dump(),
                     error["message"].get<std::string>());
}

TEST_F(ServeOpenAI, ErrorsNameThePhoto) {
  Service service = serve();
  const std::string grey = bomb(64);
  const auto refused = [&](const Form& form) {
    return error_in(service.post("/v1/images/edits", Form(form).add("prompt", "a man")));
  };
  const auto expect = [](const std::string& got, const std::string& begin) {
    EXPECT_TRUE(got.starts_with(begin)) << got;
  };
  const Form photo = Form().add("image", demo_photo());
  expect(refused(Form().add("image", grey)), "400 \"image\" cannot find a face in the photo");
  expect(refused(Form().add("image", "x")), "400 \"image\" cannot");
  expect(refused(Form(photo).add("image", grey)),
         "400 \"image\" cannot find a face in the pose photo");
  expect(refused(Form(photo).add("pose", grey)),
         "400 \"pose\" cannot find a face in the pose photo");
  const Json body{{"images", {{{"image_url", service::base64(grey)}}}}, {"prompt", "a man"}};
  expect(error_in(service.ask("POST", "/v1/images/edits", body.dump(),
                              "Content-Type: application/json\r\n")),
         "400 \"images\" cannot find a face in the photo");
  const Json unit{{"module", "instant_id_face_embedding"}, {"input_image", service::base64(grey)}};
  const Json txt2img{{"prompt", "a man"},
                     {"alwayson_scripts", {{"controlnet", {{"args", {unit}}}}}}};
  expect(error_in(service.ask("POST", "/sdapi/v1/txt2img", txt2img.dump())),
         "400 \"alwayson_scripts.controlnet.args[0].input_image\" cannot find a face");
  // Our own API uses the form's name for it.
  const Json failed = service.ended(
      service.submit(Form().add("settings", service.settings(64, 1).dump()).add("photo", grey)));
  EXPECT_EQ(failed["error"]["param"], "photo");
  expect(
      error_in(service.post("/api/jobs", service.form(service.settings(64, 1)).add("pose", "x"))),
      "400 \"pose\" cannot");
}

TEST_F(ServeOpenAI, RequestsWithoutAFaceOrAPromptGetAdvice) {
  Service service = serve();
  EXPECT_EQ(
      error_in(service.ask("POST", "/v1/images/generations", R"({"prompt": "a man"})",
                           "Content-Type: application/json\r\n")),
      "400 \"identity\" cannot take identity: it is missing: the name of a saved face, such as "
      "{\"identity\": \"anna\"}\n  save one with POST /api/identities, or send a photo as "
      "image");
  EXPECT_EQ(error_in(service.post("/v1/images/variations", Form().add("image", demo_photo()))),
            "400 \"prompt\" cannot make a picture from a photo alone: expected a photo and a "
            "prompt\n  send both to POST /v1/images/edits, as image and prompt");
}

TEST_F(ServeOpenAI, GenerationsHaveASavedFace) {
  Service service = serve();
  const auto ask = [&](const char* identity) {
    const Json body{
        {"prompt", "a man"}, {"identity", identity}, {"size", "64x64"}, {"steps", 1}, {"seed", 7}};
    return service.ask("POST", "/v1/images/generations", body.dump(),
                       "Content-Type: application/json\r\n");
  };
  const auto save = [&](const char* name) {
    const Form form = Form().add("photo", demo_photo(), "me.png").add("name", name);
    return Json::parse(service.post("/api/identities", form).body);
  };
  EXPECT_EQ(error_in(ask("anna")),
            "404 \"identity\" cannot find the identity anna: no saved face has this name or id\n  "
            "GET /api/identities lists them");
  const std::string id = save("anna")["id"];
  const Reply named = ask("anna");
  EXPECT_EQ(named.status, 200) << named.body;
  EXPECT_EQ(Json::parse(named.body)["data"], Json::parse(ask(id.c_str()).body)["data"]);
  save("anna");
  EXPECT_EQ(
      error_in(ask("anna")),
      "400 \"identity\" cannot take identity: 2 saved faces have the name anna\n  send the id "
      "of one; GET /api/identities lists them");
}

}  // namespace
}  // namespace semblance::cli
