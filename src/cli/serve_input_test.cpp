// Bad input to the service: every route answers with the right status and a JSON error of one
// shape, and the service keeps running.
#include <array>

#include "cli/png_bombs_test.h"
#include "cli/serve_test.h"

namespace semblance::cli {
namespace {

using Json = nlohmann::json;

class ServeInput : public ServeTest {
 protected:
  ServeInput() : service_(serve({"--memory", "256MiB", "--no-spill"})) {}
  ~ServeInput() override {
    // After any input it still runs, works and is within its budget.
    EXPECT_EQ(service_.ask("GET", "/api/health").status, 200);
    service_.finished_picture(Service::settings(64, 1));
    EXPECT_LT(service_.memory("VmHWM"), 256ULL << 20U);
  }

  Service& service() { return service_; }

  /// "status code param" of an error; also checks the error's shape.
  static std::string error_in(const Reply& reply) {
    const Json body = Json::parse(reply.body, nullptr, false);
    if (!body.is_object() || !body.contains("error"))
      return std::to_string(reply.status) + " without an error: " + reply.body.substr(0, 200);
    EXPECT_EQ(body.size(), 1U);
    const Json& error = body["error"];
    EXPECT_EQ(error.size(), 4U) << reply.body;
    EXPECT_TRUE(error["message"].is_string() && !error["message"].get<std::string>().empty());
    EXPECT_EQ(error["type"], reply.status < 500 ? "invalid_request_error" : "server_error");
    EXPECT_EQ(reply.headers.at("content-type"), "application/json");
    EXPECT_TRUE(reply.is_whole);
    return std::to_string(reply.status) + " " + error["code"].get<std::string>() + " " +
           (error["param"].is_null() ? "-" : error["param"].get<std::string>());
  }
  std::string refusal(const std::string& method, const std::string& path,
                      const std::string& body = "", const std::string& headers = "") {
    return error_in(service_.ask(method, path, body, headers));
  }
  std::string refusal(const std::string& path, const Form& form) {
    return error_in(service_.post(path, form));
  }
  static Form job(const std::string& settings = Service::settings(64, 1).dump()) {
    return Form().add("settings", settings).add("photo", demo_photo(), "me.png");
  }

  static constexpr std::array<const char*, 4> kForms{"/api/jobs", "/api/faces", "/api/identities",
                                                     "/v1/images/edits"};

 private:
  Service service_;
};

TEST_F(ServeInput, UnknownPaths) {
  for (const char* path : {"/api", "/api/", "/api/jobs/", "/api/nothing", "/web/", "/web/../store",
                           "/v1", "/api/jobs/0/images/", "/api/jobs/0/images/0/more"})
    EXPECT_TRUE(refusal("GET", path).starts_with("40")) << path << refusal("GET", path);
  EXPECT_EQ(refusal("GET", "/api/nothing"), "404 not_found -");
  EXPECT_EQ(refusal("PUT", "/api/jobs"), "405 method_not_allowed -");
  EXPECT_EQ(refusal("DELETE", "/api/plan"), "405 method_not_allowed -");
}

TEST_F(ServeInput, HostileIds) {
  const std::vector<std::string> ids{"..",
                                     "%2e%2e",
                                     "..%2f..%2fservice.sqlite",
                                     "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
                                     "..%5c..%5cwindows",
                                     "a%00b",
                                     "%ff%fe",
                                     "%E2%82%AC",
                                     "'%20OR%201=1;--",
                                     std::string(3000, 'a'),
                                     "%",
                                     "%zz",
                                     "00000000000000000000"};
  for (const std::string& id : ids) {
    for (const auto& [method, path] :
         std::vector<std::pair<std::string, std::string>>{{"GET", "/api/jobs/" + id},
                                                          {"DELETE", "/api/jobs/" + id},
                                                          {"POST", "/api/jobs/" + id + "/cancel"},
                                                          {"GET", "/api/jobs/" + id + "/events"},
                                                          {"GET", "/api/jobs/" + id + "/images/0"},
                                                          {"DELETE", "/api/identities/" + id},
                                                          {"GET", "/v1/models/" + id}}) {
      const std::string answer = refusal(method, path);
      EXPECT_TRUE(answer.starts_with("404 ") || answer.starts_with("400 argument"))
          << method << " " << path << ": " << answer;
    }
  }
  // Nothing was created or removed in the folder or around it.
  EXPECT_TRUE(fs::is_empty(folder() / "data/jobs"));
  EXPECT_TRUE(fs::exists(folder() / "data/service.sqlite"));
  const Form form = Form().add("settings", Service::settings(64, 1).dump());
  for (const char* id : {"../../etc/passwd", "..", "\xff", ""}) {
    const std::string answer = refusal("/api/jobs", Form(form).add("identity", id));
    EXPECT_TRUE(answer == "404 not_found identity" || answer == "400 argument photo") << answer;
  }
}

TEST_F(ServeInput, NumbersInPathsAndQueries) {
  const std::string id = service().submit(job());
  service().ended(id);
  const std::string images = "/api/jobs/" + id + "/images/";
  for (const char* n : {"-1", "16", "x", "0x0", "1e1", "99999999999999999999", "%20"})
    EXPECT_TRUE(refusal("GET", images + n).starts_with("400 argument ")) << n;
  EXPECT_EQ(refusal("GET", images + "1"), "404 not_found -");
  for (const char* limit : {"0", "-1", "201", "x", "", "1.5", "99999999999999999999"})
    EXPECT_EQ(refusal("GET", std::string("/api/jobs?limit=") + limit), "400 argument limit");
  EXPECT_EQ(service().get("/api/jobs?before=%27;drop%20table%20jobs")["jobs"].size(), 0U);
  EXPECT_EQ(service().get("/api/jobs")["jobs"].size(), 1U);
}

TEST_F(ServeInput, BodiesThatAreNotJson) {
  for (const char* body :
       {"{", "[]", "5", "null", "\"x\"", "{\"prompt\": \"x\"} {}", "\xff", "{\"prompt\": NaN}"})
    EXPECT_EQ(refusal("POST", "/api/plan", body), "400 argument settings") << body;
  EXPECT_EQ(refusal("POST", "/api/plan"), "400 argument settings");
  EXPECT_EQ(refusal("POST", "/api/plan", std::string(60'000, '[')), "400 argument settings");
  EXPECT_EQ(refusal("POST", "/api/plan", "{\"prompt\": 5}"), "400 argument prompt");
  EXPECT_EQ(refusal("POST", "/api/plan", "{\"prompt\": \"x\", \"width\": 70, \"height\": 64}"),
            "400 argument width");
  const auto plan_of = [](std::size_t bytes) {
    return "{\"prompt\": \"" + std::string(bytes, 'x') + "\"}";
  };
  EXPECT_EQ(refusal("POST", "/api/plan", plan_of(70'000)), "400 argument prompt");
  EXPECT_EQ(refusal("POST", "/api/plan", plan_of(900'000)), "413 too_large settings");
  EXPECT_EQ(refusal("POST", "/api/jobs/0/cancel", "{"), "404 not_found -");
}

TEST_F(ServeInput, OversizedBodies) {
  for (const char* path : kForms) {
    Client client(service().port());
    client.send(service::testing::request("POST", path,
                                          "Content-Type: multipart/form-data; boundary=B\r\n"
                                          "Content-Length: 99999999999\r\n"));
    EXPECT_EQ(error_in(client.reply()), "413 too_large -") << path;
  }
  EXPECT_EQ(refusal("POST", "/api/plan", std::string(2 << 20, ' ')), "413 too_large -");
  EXPECT_EQ(refusal("POST", "/api/login", std::string(8 << 10, ' ')), "413 too_large -");
}

TEST_F(ServeInput, BrokenForms) {
  const Form whole = job();
  for (const char* path : kForms) {
    EXPECT_EQ(refusal("POST", path), "400 argument -") << path;
    const bool takes_json = path == std::string("/v1/images/edits");
    EXPECT_EQ(refusal("POST", path, "{}", "Content-Type: application/json\r\n"),
              takes_json ? "400 argument images" : "400 argument -");
    EXPECT_EQ(refusal("POST", path, whole.body, "Content-Type: multipart/form-data\r\n"),
              "400 argument -");
    EXPECT_EQ(refusal("POST", path, whole.body,
                      "Content-Type: multipart/form-data; boundary=another\r\n"),
              "400 argument -");
    Form cut = whole;
    cut.body.resize(cut.body.size() / 2);
    EXPECT_EQ(refusal(path, cut), "400 argument -") << path;
    Form many;
    for (int i = 0; i < 100; ++i) many.add("photo", "x");
    EXPECT_EQ(refusal(path, many), "400 argument -") << path;
    EXPECT_EQ(refusal(path, Form(whole).add("surprise", "x")).substr(0, 12), "400 argument")
        << path;
  }
}

TEST_F(ServeInput, JobFields) {
  EXPECT_EQ(refusal("/api/jobs", Form().add("photo", demo_photo())), "400 argument settings");
  EXPECT_EQ(refusal("/api/jobs", Form().add("settings", "{\"prompt\": \"x\"}")),
            "400 argument photo");
  EXPECT_EQ(refusal("/api/jobs", job().add("identity", "0")), "400 argument photo");
  Form many = job();
  for (int i = 0; i < 16; ++i) many.add("photo", demo_photo());
  EXPECT_EQ(refusal("/api/jobs", many), "400 argument photo");
  EXPECT_EQ(refusal("/api/faces", Form().add("photo", "x").add("photo", "x")),
            "400 argument photo");
  for (const char* face : {"-1", "x", "1001", "1.5"})
    EXPECT_EQ(refusal("/api/jobs", job().add("face", face)), "400 argument face") << face;
  EXPECT_EQ(refusal("/api/jobs", job().add("keep_photo", "yes")), "400 argument keep_photo");
  EXPECT_EQ(refusal("/api/jobs", job("{\"prompt\": \"x\", \"steps\": 0}")), "400 argument steps");
  EXPECT_EQ(refusal("/api/jobs", job("{\"prompt\": \"x\", \"lora\": 1}")), "400 argument lora");
  EXPECT_EQ(refusal("/api/jobs", job(R"({"prompt": "x", "scheduler": "eulr"})")),
            "400 argument scheduler");
  EXPECT_EQ(
      refusal("/api/jobs", job(R"({"prompt": "x", "scheduler": "ddim", "sigmas": "karras"})")),
      "400 argument scheduler");
  EXPECT_EQ(refusal("/api/identities", Form().add("photo", demo_photo())), "400 argument name");
  const Form person = Form().add("photo", demo_photo());
  EXPECT_EQ(refusal("/api/identities", Form(person).add("name", std::string(201, 'x'))),
            "400 argument name");
  EXPECT_TRUE(refusal("/api/identities", Form(person).add("name", "\xff")).starts_with("400 "));
  EXPECT_EQ(refusal("/api/identities", Form(person).add("name", "Ann").add("face", "3")),
            "400 argument face");
}

TEST_F(ServeInput, FilesThatAreNotPictures) {
  const std::string whole = demo_photo();
  const std::vector<std::string> files{
      "no picture",         std::string(1 << 20, 'x'), whole.substr(0, 20),
      "\xff\xd8\xff\xe0",   "GIF89a" + whole,          "<svg xmlns='http://www.w3.org/2000/svg'/>",
      "{\"embedding\": []}"};
  for (const std::string& file : files) {
    const std::string shown = file.substr(0, 20);
    const auto is_refused = [](const std::string& answer) {
      return answer.starts_with("400 argument ") || answer.starts_with("400 corrupt ");
    };
    EXPECT_TRUE(is_refused(refusal("/api/faces", Form().add("photo", file)))) << shown;
    EXPECT_TRUE(is_refused(refusal("/api/identities", Form().add("photo", file).add("name", "x"))))
        << shown;
    EXPECT_TRUE(is_refused(
        refusal("/api/jobs", Form().add("settings", "{\"prompt\": \"x\"}").add("photo", file))))
        << shown;
    EXPECT_TRUE(is_refused(refusal("/api/jobs", job().add("pose", file)))) << shown;
    EXPECT_TRUE(
        is_refused(refusal("/v1/images/edits", Form().add("image", file).add("prompt", "x"))))
        << shown;
  }
  // Truncated in its pixels: detected when they are read.
  Form cut = Form().add("settings", "{\"prompt\": \"x\"}").add("photo", whole.substr(0, 60'000));
  const Json failed = service().ended(service().submit(cut));
  EXPECT_EQ(failed["state"], "failed");
  EXPECT_EQ(failed["error"]["code"], "corrupt");
}

TEST_F(ServeInput, DecompressionBombs) {
  const std::string within = bomb(13'000), beyond = bomb(30'000);
  EXPECT_LT(within.size(), 2U << 20U);
  EXPECT_EQ(refusal("/api/faces", Form().add("photo", beyond)), "400 argument photo");
  EXPECT_EQ(refusal("/api/faces", Form().add("photo", within)), "422 memory photo");
  EXPECT_EQ(refusal("/api/identities", Form().add("photo", within).add("name", "x")),
            "422 memory photo");
  const Json failed = service().ended(service().submit(
      Form().add("settings", Service::settings(64, 1).dump()).add("photo", within)));
  EXPECT_EQ(failed["state"], "failed");
  EXPECT_EQ(failed["error"]["code"], "memory") << failed.dump();
}

TEST_F(ServeInput, AJobWithoutAFaceFailsClearly) {
  std::string grey = bomb(64);
  const Json failed = service().ended(
      service().submit(Form().add("settings", Service::settings(64, 1).dump()).add("photo", grey)));
  EXPECT_EQ(failed["state"], "failed");
  EXPECT_EQ(failed["error"]["code"], "missing");
  EXPECT_NE(failed["error"]["message"].get<std::string>().find("cannot find a face in the photo"),
            std::string::npos);
  EXPECT_EQ(refusal("/api/identities", Form().add("photo", grey).add("name", "x")),
            "400 missing photo");
  const Reply faces = service().post("/api/faces", Form().add("photo", grey));
  EXPECT_EQ(faces.status, 200);
  EXPECT_EQ(Json::parse(faces.body)["faces"].size(), 0U);
}

TEST_F(ServeInput, ForeignOrigins) {
  EXPECT_EQ(refusal("GET", "/api/jobs", "", "Origin: http://evil.example\r\n"), "403 forbidden -");
  EXPECT_EQ(refusal("POST", "/api/jobs/0/cancel", "", "Sec-Fetch-Site: cross-site\r\n"),
            "403 forbidden -");
  Client client(service().port());
  EXPECT_EQ(error_in(client.ask("GET /api/jobs HTTP/1.1\r\nHost: evil.example\r\n\r\n")),
            "403 forbidden -");
}

}  // namespace
}  // namespace semblance::cli
