// OpenAI's API as its clients see it: links to pictures, bodies of JSON, and its errors.
#include "cli/serve_test.h"

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
  /// What stands behind the scheme and the host.
  static std::string target_of(const std::string& url) {
    return url.substr(url.find('/', url.find("://") + 3));
  }
};

TEST_F(ServeOpenAI, ALinkGivesItsPictureWithoutTheKey) {
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
  // Nothing else opens.
  const std::string path = target.substr(0, target.find('?'));
  const std::string right = target.substr(target.find('?'));
  const std::string job = path.substr(0, path.find("/images"));
  EXPECT_EQ(service.ask("GET", path).status, 401);
  EXPECT_EQ(service.ask("GET", target + "0").status, 401);
  EXPECT_EQ(service.ask("GET", job + "/images/1" + right).status, 401);
  EXPECT_EQ(service.ask("GET", job + right).status, 401);
  EXPECT_EQ(service.ask("DELETE", job + right).status, 401);
  EXPECT_EQ(service.ask("GET", "/api/jobs" + right).status, 401);
  // It holds through a restart, and not beyond its picture.
  service.stop();
  Service again = serve_with_key();
  EXPECT_EQ(again.ask("GET", target).body, picture.body);
  EXPECT_EQ(again.ask("DELETE", job, "", kBearer).status, 204);
  EXPECT_EQ(again.ask("GET", target).status, 404);
}

TEST_F(ServeOpenAI, LinksBeginAsTheServiceIsReached) {
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
      .says("cannot take the public URL semblance: expected http:// or https://, a host's name");
  run({"serve", "--listen", "127.0.0.1:0", "--data", file("other"), "--proxy", "nginx"})
      .exits(2)
      .says("cannot believe the proxy nginx: expected an address in numbers");
}

}  // namespace
}  // namespace semblance::cli
