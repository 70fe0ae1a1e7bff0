// The AUTOMATIC1111 API as a client uses it, with the demo model: making pictures, progress,
// interrupting.
#include <atomic>
#include <functional>
#include <nlohmann/json.hpp>

#include "cli/program_test.h"
#include "cli/serve_test.h"
#include "image/decode.h"
#include "memory/file.h"
#include "service/base64.h"
#include "service/client_test.h"

namespace semblance::cli {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using service::testing::Client;
using service::testing::Reply;

class ServeA1111 : public ProgramTest {
 protected:
  ServeA1111() : program_(start({"serve", "--listen", "127.0.0.1:0", "--data", file("data")})) {
    port_ = listening_port(program_, folder() / "logs/stdout.txt");
  }
  ~ServeA1111() override {
    program_.signal(SIGTERM);
    program_.end_within(10s).exits(0);
  }

  static bool becomes_true(const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + 120s;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(5ms);
    }
    return true;
  }

  static fs::path photo() { return fs::path(SEMBLANCE_SOURCE_DIR) / "models/demo/faces/01.png"; }
  static fs::path pose() { return fs::path(SEMBLANCE_SOURCE_DIR) / "models/demo/faces/05.png"; }

  /// A body for a small picture of the demo's first person at the fifth's face position.
  static json body(json more = json::object()) {
    json units = json::array();
    units.push_back({{"module", "instant_id_face_embedding"},
                     {"weight", 0.7},
                     {"image", service::base64(bytes_of(photo()))}});
    units.push_back({{"model", "control_instant_id_sdxl"},
                     {"module", "instant_id_face_keypoints"},
                     {"weight", 0.9},
                     {"image", service::base64(bytes_of(pose()))}});
    json whole{{"prompt", "a (man) in the snow"},
               {"width", 128},
               {"height", 128},
               {"steps", 4},
               {"seed", 7}};
    whole["alwayson_scripts"]["ControlNet"]["args"] = std::move(units);
    whole.update(more);
    return whole;
  }

  static std::string posted(const json& whole) {
    return service::testing::request("POST", "/sdapi/v1/txt2img",
                                     "Content-Type: application/json\r\n", whole.dump());
  }
  /// One request on its own connection, without a timeout.
  Reply ask(const std::string& request) const {
    Client client(port_);
    client.send(request);
    becomes_true([&] { return client.receive(200) && client.received().size() > 12; });
    return client.reply();
  }
  json get(const std::string& path) const {
    const Reply reply = ask(service::testing::request("GET", path));
    EXPECT_EQ(reply.status, 200) << reply.body;
    return json::parse(reply.body, nullptr, false);
  }
  json progress() const { return get("/sdapi/v1/progress"); }
  Reply interrupt() const { return ask(service::testing::request("POST", "/sdapi/v1/interrupt")); }

  static std::shared_ptr<const File> as_file(const std::string& bytes) {
    const auto* const data = reinterpret_cast<const std::byte*>(bytes.data());
    return memory_file("the picture", std::vector<std::byte>(data, data + bytes.size()));
  }

  /// Runs txt2img on another thread.
  class Asked {
   public:
    Asked(const ServeA1111& test, const json& whole)
        : thread_([this, &test, whole] {
            reply_ = test.ask(posted(whole));
            is_over_ = true;
          }) {}
    ~Asked() { reply(); }
    Asked(const Asked&) = delete;
    Asked& operator=(const Asked&) = delete;
    bool is_over() const { return is_over_; }
    const Reply& reply() {
      if (thread_.joinable()) thread_.join();
      return reply_;
    }
    json answer() {
      EXPECT_EQ(reply().status, 200) << reply().body;
      EXPECT_TRUE(reply().is_whole);
      return json::parse(reply().body, nullptr, false);
    }

   private:
    Reply reply_;
    std::atomic<bool> is_over_ = false;
    std::thread thread_;
  };

  Running program_;
  int port_ = 0;
};

TEST_F(ServeA1111, MakesTheSamePictureAsGenerate) {
  Asked asked(*this, body());
  double last = 0;
  bool has_steps = false;
  while (!asked.is_over()) {
    const json now = progress();
    const double done = now["progress"].get<double>();
    if (now["state"]["job"] != "") {
      EXPECT_GE(done, last);
      EXPECT_LE(done, 1);
      last = done;
      EXPECT_EQ(now["state"]["job_count"], 1);
      EXPECT_EQ(now["state"]["sampling_steps"], 4);
      has_steps = has_steps || now["state"]["sampling_step"] > 0;
      if (now["current_image"].is_string()) {
        const auto preview = service::from_base64(now["current_image"].get<std::string>());
        ASSERT_TRUE(preview);
        EXPECT_GT(decode(*as_file(*preview)).size().w, 0);
      }
    }
    std::this_thread::sleep_for(2ms);
  }
  EXPECT_TRUE(has_steps);
  const json answer = asked.answer();
  ASSERT_EQ(answer["images"].size(), 1U);
  const auto picture = service::from_base64(answer["images"][0].get<std::string>());
  ASSERT_TRUE(picture);
  const json info = json::parse(answer["info"].get<std::string>());
  EXPECT_EQ(info["all_seeds"], json{7});
  EXPECT_EQ(info["interrupted"], false);
  EXPECT_EQ(info["warnings"], json::array());
  const std::string text = info["infotexts"][0].get<std::string>();
  EXPECT_TRUE(text.starts_with(
      "a (man) in the snow\nSteps: 4, Sampler: Euler, CFG scale: 7, Seed: 7, Size: 128x128, Model: "
      "semblance-demo, IdentityNet strength: 0.9, Adapter strength: 0.7"))
      << text;
  EXPECT_NE(picture->find(text), std::string::npos);  // also in the PNG
  EXPECT_EQ(answer["parameters"]["cfg_scale"], 7);
  EXPECT_EQ(progress()["state"]["job"], "");

  run({"generate",
       "--face",
       photo().string(),
       "--pose",
       pose().string(),
       "--prompt",
       "a (man) in the snow",
       "--size",
       "128x128",
       "--steps",
       "4",
       "--guidance",
       "7",
       "--seed",
       "7",
       "--identity-strength",
       "0.9",
       "--adapter-strength",
       "0.7",
       "--spacing",
       "linspace",
       "--noise",
       "a1111-cpu",
       "--encoding",
       "a1111",
       "-o",
       file("same.png")})
      .exits(0);
  const Image here = decode(*as_file(*picture)), there = decode(*open_file(file("same.png")));
  EXPECT_EQ(here.size(), there.size());
  EXPECT_TRUE(std::ranges::equal(here.pixels(), there.pixels()));
}

TEST_F(ServeA1111, InterruptsTheRunningJob) {
  EXPECT_EQ(interrupt().body, "{}");  // no job is running
  Asked asked(*this, body({{"steps", 100}, {"width", 256}, {"height", 256}}));
  ASSERT_TRUE(
      becomes_true([&] { return progress()["state"]["sampling_step"] > 0 || asked.is_over(); }));
  EXPECT_FALSE(asked.is_over());
  EXPECT_EQ(interrupt().status, 200);
  json answer = asked.answer();
  EXPECT_EQ(answer["images"], json::array());
  json info = json::parse(answer["info"].get<std::string>());
  EXPECT_EQ(info["interrupted"], true);
  EXPECT_EQ(info["warnings"].back(), "interrupted: 0 of 1 pictures were done");
  EXPECT_EQ(progress()["state"]["interrupted"], true);

  // Of several pictures, the finished ones are returned.
  Asked several(*this, body({{"n_iter", 16}, {"width", 64}, {"height", 64}}));
  ASSERT_TRUE(becomes_true([&] { return progress()["state"]["job_no"] > 0 || several.is_over(); }));
  EXPECT_EQ(interrupt().status, 200);
  answer = several.answer();
  info = json::parse(answer["info"].get<std::string>());
  EXPECT_EQ(info["interrupted"], true);
  EXPECT_GE(answer["images"].size(), 1U);
  EXPECT_LT(answer["images"].size(), 16U);
  EXPECT_EQ(answer["images"].size(), info["infotexts"].size());

  // A job of another API is left alone.
  std::string form;
  const auto part = [&](const std::string& name, const std::string& more, const std::string& data) {
    form += "--B\r\nContent-Disposition: form-data; name=\"" + name + "\"" + more + "\r\n\r\n" +
            data + "\r\n";
  };
  part("settings", "", R"({"prompt": "a", "steps": 100, "width": 256, "height": 256})");
  part("photo", "; filename=\"p.png\"", bytes_of(photo()));
  const Reply made = ask(service::testing::request(
      "POST", "/api/jobs", "Content-Type: multipart/form-data; boundary=B\r\n",
      form + "--B--\r\n"));
  ASSERT_EQ(made.status, 201) << made.body;
  const std::string id = json::parse(made.body)["id"].get<std::string>();
  ASSERT_TRUE(becomes_true([&] { return get("/api/jobs/" + id)["step"] > 0; }));
  EXPECT_EQ(interrupt().status, 200);
  EXPECT_EQ(progress()["state"]["job"], "");
  const int step = get("/api/jobs/" + id)["step"].get<int>();
  ASSERT_TRUE(becomes_true([&] {
    const json job = get("/api/jobs/" + id);
    return job["step"] > step || job["state"] != "running";
  }));
  EXPECT_NE(get("/api/jobs/" + id)["state"], "cancelled");
  ask(service::testing::request("POST", "/api/jobs/" + id + "/cancel"));
}

TEST_F(ServeA1111, CancelsTheJobOfAClientThatDisconnects) {
  Client client(port_);
  client.send(posted(body({{"steps", 100}, {"width", 256}, {"height", 256}})));
  std::string id;
  ASSERT_TRUE(becomes_true([&] {
    const json state = progress()["state"];
    id = state["job"].get<std::string>();
    return state["sampling_step"] > 0;
  }));
  client.close();
  EXPECT_TRUE(becomes_true([&] { return get("/api/jobs/" + id)["state"] == "cancelled"; }));
  EXPECT_EQ(progress()["state"]["job"], "");
}

TEST_F(ServeA1111, NamesUnknownFieldsAndListsModels) {
  const auto refusal = [&](const json& whole) {
    const Reply reply = ask(posted(whole));
    const json error = json::parse(reply.body)["error"];
    return std::to_string(reply.status) + " " + error["message"].get<std::string>();
  };
  EXPECT_TRUE(refusal(body({{"sampler_name", "Eulr"}}))
                  .starts_with("400 cannot take sampler_name: expected one of Euler, Euler a, "));
  EXPECT_TRUE(refusal({{"prompt", "a"}})
                  .starts_with("400 cannot take alwayson_scripts: InstantID's photo is missing"));
  json whole = body();
  json& image = whole["alwayson_scripts"]["ControlNet"]["args"][0]["image"];
  image = service::base64(std::string(30'000, 'x'));
  EXPECT_TRUE(refusal(whole).starts_with("400 cannot ")) << refusal(whole);
  // A photo of 17 MiB exceeds the request limit.
  image = std::string(24'000'000, 'A');
  EXPECT_EQ(ask(posted(whole)).status, 413);
  EXPECT_EQ(get("/sdapi/v1/samplers")[0]["name"], "Euler");
  EXPECT_EQ(get("/sdapi/v1/schedulers")[1]["name"], "karras");
  EXPECT_EQ(get("/sdapi/v1/sd-models")[0]["title"], "semblance-demo");
  EXPECT_EQ(get("/sdapi/v1/options")["sd_model_checkpoint"], "semblance-demo");
  const auto set = [&](const std::string& options) {
    return ask(service::testing::request("POST", "/sdapi/v1/options", "", options)).status;
  };
  EXPECT_EQ(set(R"({"sd_model_checkpoint": "semblance-demo"})"), 200);
  EXPECT_EQ(set(R"({"sd_model_checkpoint": "sdxl"})"), 404);
  EXPECT_EQ(get("/api/jobs")["jobs"], json::array());
}

}  // namespace
}  // namespace semblance::cli
