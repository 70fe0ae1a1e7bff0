// `semblance serve` as a user runs it, with the demo model.
#include "cli/serve_test.h"

#include <sys/stat.h>

#include <atomic>
#include <map>

#include "service/database_test.h"
#include "tests/support/sanitized.h"

namespace semblance::cli {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::json;

class Serve : public ServeTest {};

TEST_F(Serve, MakesTheSamePictureAsGenerate) {
  Service service = serve();
  const std::string made = service.finished_picture(service.settings(128, 3));
  run({"generate", "--face", (fs::path(SEMBLANCE_SOURCE_DIR) / "models/demo/faces/01.png").string(),
       "--prompt", "a portrait of a man", "--size", "128x128", "--steps", "3", "--seed", "7", "-o",
       file("out.png")})
      .exits(0);
  EXPECT_EQ(pixels_of(made), pixels_of(bytes_of(file("out.png"))));
  service.stop().exits(0);
}

TEST_F(Serve, SendsAnEventForEveryStep) {
  Service service = serve();
  const std::string id = service.submit(service.settings(256, 12));
  // What another client sees that polls without pause.
  std::map<int, Clock::time_point> seen;
  std::atomic<bool> over = false;
  std::thread watcher([&] {
    while (!over) seen.try_emplace(service.job(id)["step"].get<int>(), Clock::now());
  });
  Events events(service.port(), "/api/jobs/" + id + "/events");
  std::map<int, Clock::time_point> told;
  std::set<int> previews;
  std::string last;
  while (const auto event = events.next()) {
    last = event->name;
    if (event->name == "job") told.try_emplace(event->data["step"].get<int>(), event->came);
    if (event->name == "preview") {
      previews.insert(event->data["step"].get<int>());
      EXPECT_TRUE(event->data["url"].get<std::string>().starts_with("data:image/jpeg;base64,/9j/"));
    }
    if (event->name == "end") {
      EXPECT_EQ(event->data["state"], "done");
    }
  }
  over = true;
  watcher.join();
  EXPECT_EQ(last, "end");
  EXPECT_GE(previews.size(), 1U);
  double worst = 0;
  for (int step = 1; step <= 12; ++step) {
    ASSERT_TRUE(told.contains(step)) << "no event of step " << step;
    if (seen.contains(step))
      worst = std::max(worst, std::chrono::duration<double>(told[step] - seen[step]).count());
  }
  EXPECT_LT(worst, 0.2);
  RecordProperty("event_delay_ms", static_cast<int>(worst * 1000));
}

TEST_F(Serve, EventsOfAFinishedJobStartWithTheJob) {
  Service service = serve();
  const std::string id = service.submit(service.settings(64, 1));
  service.ended(id);
  Events events(service.port(), "/api/jobs/" + id + "/events");
  const auto first = events.next(), second = events.next();
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->name, "job");
  EXPECT_EQ(second->name, "end");
  EXPECT_EQ(second->data, service.job(id));
  EXPECT_FALSE(events.next());
}

TEST_F(Serve, ReportsWarnings) {
  Service service = serve({"--lang", "es"});
  Service::Json settings = service.settings(64, 1);
  std::string words;
  for (int i = 0; i < 100; ++i) words += "snow ";
  settings["prompt"] = "a (man:1.3)";
  settings["encoding"] = "plain";
  settings["negative_prompt"] = words;
  const std::string id = service.submit(settings);
  const Service::Json warnings = service.ended(id)["warnings"];
  ASSERT_EQ(warnings.size(), 2U);
  EXPECT_EQ(warnings[0]["code"], "prompt_weights");
  EXPECT_EQ(warnings[0]["param"], "prompt");
  EXPECT_EQ(warnings[0]["message"],
            "prompt: los pesos como (nieve:1.3) o [nieve] se leen como texto corriente, con sus "
            "paréntesis y corchetes");
  EXPECT_EQ(warnings[1]["code"], "prompt_cut");
  EXPECT_EQ(warnings[1]["param"], "negative_prompt");
  EXPECT_TRUE(warnings[1]["detail"].get<std::string>().starts_with("snow snow"));
  EXPECT_NE(service.picture(id).find("Warnings: \"prompt: weights such as (snow:1.3)"),
            std::string::npos);

  const Form edit = Form()
                        .add("image", demo_photo(), "me.png")
                        .add("prompt", "a [man]")
                        .add("encoding", "plain")
                        .add("size", "64x64")
                        .add("steps", "1");
  const Service::Json answer = Service::Json::parse(service.post("/v1/images/edits", edit).body);
  ASSERT_EQ(answer["warnings"].size(), 1U);
  EXPECT_EQ(answer["warnings"][0], warnings[0]["message"]);
  Form streamed = edit;
  const std::string events = service.post("/v1/images/edits", streamed.add("stream", "true")).body;
  EXPECT_NE(events.find("\"warnings\":[\"prompt: los pesos"), std::string::npos);

  // They survive a restart.
  service.stop().exits(0);
  Service again = serve();
  EXPECT_EQ(again.job(id)["warnings"][1]["detail"], warnings[1]["detail"]);
  EXPECT_TRUE(again.job(id)["warnings"][0]["message"].get<std::string>().starts_with(
      "prompt: weights such as"));
}

TEST_F(Serve, CancelEndsAJobWithinASecond) {
  Service service = serve();
  double worst = 0;
  // During a long step and at other moments: reading the photo, loading, decoding.
  const std::vector<std::pair<int, std::chrono::milliseconds>> moments{
      {1024, 1500ms}, {1024, 900ms}, {512, 1ms}, {512, 60ms}, {512, 150ms}, {512, 300ms}};
  for (const auto& [side, moment] : moments) {
    const std::string id = service.submit(service.settings(side, 20));
    Events events(service.port(), "/api/jobs/" + id + "/events");
    std::this_thread::sleep_for(moment);
    const auto begin = Clock::now();
    EXPECT_EQ(service.ask("POST", "/api/jobs/" + id + "/cancel").status, 200);
    std::string state;
    while (const auto event = events.next()) {
      if (event->name == "end") state = event->data["state"];
    }
    worst = std::max(worst, seconds_since(begin));
    EXPECT_EQ(state, "cancelled") << side << " after " << moment.count() << " ms";
    EXPECT_FALSE(fs::exists(folder_of(id) / "photo"));
    EXPECT_FALSE(fs::exists(folder_of(id) / "run.resume"));
  }
  EXPECT_LT(worst, 1);
  RecordProperty("cancel_ms", static_cast<int>(worst * 1000));
}

TEST_F(Serve, DeleteRemovesAJobInAnyState) {
  Service service = serve();
  const std::string running = service.submit(service.settings(256, 50));
  const std::string queued = service.submit(service.settings(64, 1));
  service.reaches_step(running, 1);
  for (const std::string& id : {queued, running}) {
    EXPECT_EQ(service.ask("DELETE", "/api/jobs/" + id).status, 204);
    EXPECT_EQ(service.ask("GET", "/api/jobs/" + id).status, 404);
    EXPECT_EQ(service.ask("DELETE", "/api/jobs/" + id).status, 404);
    EXPECT_FALSE(fs::exists(folder_of(id)));
  }
  EXPECT_EQ(service.get("/api/jobs")["jobs"].size(), 0U);
  const std::string done = service.submit(service.settings(64, 1));
  service.ended(done);
  EXPECT_EQ(service.ask("DELETE", "/api/jobs/" + done).status, 204);
  EXPECT_EQ(service.ask("GET", "/api/jobs/" + done + "/images/0").status, 404);
  EXPECT_FALSE(fs::exists(folder_of(done)));
}

TEST_F(Serve, EventStreamOfADeletedJobEnds) {
  Service service = serve();
  const std::string id = service.submit(service.settings(256, 50));
  Events events(service.port(), "/api/jobs/" + id + "/events");
  service.reaches_step(id, 1);
  service.ask("DELETE", "/api/jobs/" + id);
  while (events.next()) continue;
  EXPECT_EQ(service.ask("GET", "/api/health").status, 200);
}

TEST_F(Serve, ThePhotoIsDeletedUnlessAskedToKeepIt) {
  Service service = serve();
  const Json settings = service.settings(64, 1);
  const std::string forgotten = service.submit(service.form(settings));
  const std::string kept = service.submit(service.form(settings).add("keep_photo", "true"));
  EXPECT_EQ(service.ended(kept)["state"], "done");
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder_of(forgotten)))
    names.insert(entry.path().filename().string());
  EXPECT_EQ(names, (std::set<std::string>{"0.png", "0.webp"}));
  EXPECT_EQ(bytes_of(folder_of(kept) / "photo"), demo_photo());
}

TEST_F(Serve, ASavedFaceMakesTheSamePictureAsItsPhoto) {
  Service service = serve();
  const Json settings = service.settings(128, 2);
  const std::string of_photo = service.finished_picture(settings);
  const Reply saved = service.post(
      "/api/identities", Form().add("photo", demo_photo(), "me.png").add("name", "Ann \xC3\x89"));
  ASSERT_EQ(saved.status, 201) << saved.body;
  const std::string identity = Json::parse(saved.body)["id"];
  EXPECT_EQ(service.get("/api/identities")["identities"][0]["name"], "Ann \xC3\x89");
  const Form form = Form().add("settings", settings.dump()).add("identity", identity);
  const std::string id = service.submit(form);
  EXPECT_EQ(service.ended(id)["state"], "done") << service.job(id).dump();
  EXPECT_EQ(service.picture(id), of_photo);
  EXPECT_EQ(service.ask("DELETE", "/api/identities/" + identity).status, 204);
  EXPECT_EQ(service.ask("DELETE", "/api/identities/" + identity).status, 404);
  EXPECT_EQ(service.post("/api/jobs", form).status, 404);
}

TEST_F(Serve, APoseSetsShapeAndPosition) {
  Service service = serve();
  Json settings = service.settings(128, 2);
  const std::string plain = service.finished_picture(settings);
  const std::string id = service.submit(service.form(settings).add("pose", demo_photo(2), "p.png"));
  EXPECT_EQ(service.ended(id)["state"], "done") << service.job(id).dump();
  EXPECT_NE(pixels_of(service.picture(id)), pixels_of(plain));
}

TEST_F(Serve, ARepeatedRequestIsOneJob) {
  Service service = serve();
  const Form form = service.form(service.settings(64, 1));
  const std::string key = "Idempotency-Key: 0f8fad5b-d9cb-469f-a165-70867728950e\r\n";
  const std::string id = service.submit(form, key);
  EXPECT_EQ(service.submit(form, key), id);
  service.ended(id);
  EXPECT_EQ(service.submit(form, key), id);
  EXPECT_EQ(service.get("/api/jobs")["jobs"].size(), 1U);
  EXPECT_NE(service.submit(form), id);
  // A used key does not return another request's picture.
  for (const Form& other :
       {service.form(service.settings(64, 2)), service.form(service.settings(64, 1), 2),
        Form(form).add("face", "0")}) {
    const Reply refused = service.post("/api/jobs", other, key);
    EXPECT_EQ(refused.status, 422) << refused.body;
    EXPECT_EQ(Json::parse(refused.body)["error"]["code"], "key_reused");
    EXPECT_NE(refused.body.find("it was used before with another request"), std::string::npos);
  }
}

TEST_F(Serve, AForeignFolderIsRefusedAndLeftAlone) {
  const auto refused = [&](const std::string& data, const std::string& why) {
    run({"serve", "--listen", "127.0.0.1:0", "--data", data}).exits(2).says(why);
  };
  struct stat before {
  }, after{};
  ASSERT_EQ(stat("/tmp", &before), 0);
  refused("/tmp", "--data: ");
  ASSERT_EQ(stat("/tmp", &after), 0);
  EXPECT_EQ(before.st_mode, after.st_mode);
  write_bytes(file("logs/song.mp3"), "x");
  refused(file("logs"), "has no semblance database but other files, such as ");
}

TEST_F(Serve, ADamagedDatabaseIsServedAndLeaksNothing) {
  std::string good, damaged, foreign;
  {
    Service service = serve();
    for (std::string* id : {&good, &damaged, &foreign})
      *id = service.submit(service.settings(64, 1));
    for (const std::string& id : {good, damaged, foreign}) service.ended(id);
  }
  fs::create_directories(file("data/outside/deep"));
  service::testing::sql(
      file("data"), "UPDATE jobs SET kept = CAST(x'7b22ff' AS TEXT) WHERE id = '" + damaged + "'");
  service::testing::sql(file("data"),
                        "UPDATE jobs SET id = '../outside' WHERE id = '" + foreign + "'");
  Service service = serve({"--keep", "1"});
  const Json jobs = service.get("/api/jobs")["jobs"];
  EXPECT_LE(jobs.size(), 2U) << jobs.dump();
  for (const Json& job : jobs) {
    if (job["id"] == damaged) {
      EXPECT_EQ(job["error"]["code"], "corrupt") << job.dump();
    }
  }
  EXPECT_EQ(service.ask("DELETE", "/api/jobs/..%2Foutside").status, 400);
  EXPECT_EQ(service.ended(service.submit(service.settings(64, 1)))["state"], "done");
  EXPECT_TRUE(fs::exists(file("data/outside/deep")));
}

/// The model files are unreadable for a while.
TEST_F(Serve, WaitsForAFailingDiskAndReportsIt) {
  if (testing::kSanitized) GTEST_SKIP() << "the sanitizer must be loaded first";
  setenv("LD_PRELOAD", SEMBLANCE_FAILING_CALLS, 1);
  setenv("SEMBLANCE_FAULTS", file("plan.txt").c_str(), 1);
  Service service = serve({"--memory", "120MiB"});
  unsetenv("LD_PRELOAD");
  unsetenv("SEMBLANCE_FAULTS");
  const Json settings = service.settings(128, 20);
  const std::string whole = service.finished_picture(settings);
  write_bytes(file("new.txt"), "read .safetensors 5");
  fs::rename(file("new.txt"), file("plan.txt"));
  const std::string id = service.submit(settings);
  Json waiting;
  for (int i = 0; i < 6000 && waiting.is_null(); ++i) {
    waiting = service.job(id)["waiting"];
    std::this_thread::sleep_for(5ms);
  }
  ASSERT_TRUE(waiting.is_object()) << service.job(id).dump();
  EXPECT_NE(waiting["message"].get<std::string>().find("Input/output error"), std::string::npos)
      << waiting.dump();
  EXPECT_EQ(service.state(id), "running");
  fs::remove(file("plan.txt"));
  EXPECT_EQ(service.ended(id)["state"], "done") << service.job(id).dump();
  EXPECT_EQ(pixels_of(service.picture(id)), pixels_of(whole));
}

TEST_F(Serve, AFullQueueAnswersWithRetryAfter) {
  Service service = serve({"--queue", "1"});
  const std::string running = service.submit(service.settings(256, 60));
  service.reaches_step(running, 1);
  const std::string queued = service.submit(service.settings(64, 1));
  EXPECT_EQ(service.job(queued)["position"], 0);
  Reply refused = service.post("/api/jobs", service.form(service.settings(64, 1)));
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(Json::parse(refused.body)["error"]["code"], "queue_full");
  const int wait = std::stoi("0" + refused.headers["retry-after"]);
  EXPECT_GE(wait, 1);
  EXPECT_LE(wait, 60);
  service.ask("POST", "/api/jobs/" + running + "/cancel");
  EXPECT_EQ(service.ended(queued)["state"], "done");
}

TEST_F(Serve, ResumesAJobAfterARestart) {
  const Json settings = Service::settings(256, 40);
  std::string id, whole;
  int step = 0;
  {
    Service service = serve();
    whole = service.finished_picture(settings);
    id = service.submit(settings);
    service.reaches_step(id, 10);
    step = service.job(id)["step"];
    const auto begin = Clock::now();
    service.stop().exits(0);
    EXPECT_LT(seconds_since(begin), 10);
    RecordProperty("end_ms", static_cast<int>(seconds_since(begin) * 1000));
  }
  EXPECT_TRUE(fs::exists(folder_of(id) / "run.resume"));
  Service service = serve();
  Events events(service.port(), "/api/jobs/" + id + "/events");
  int first = 0;
  while (const auto event = events.next()) {
    if (first == 0 && event->name == "job") first = event->data["step"];
  }
  EXPECT_GE(first, step);
  EXPECT_EQ(service.ended(id)["state"], "done") << service.job(id).dump();
  EXPECT_EQ(pixels_of(service.picture(id)), pixels_of(whole));
}

TEST_F(Serve, FinishesEveryAcceptedJobAfterAKill) {
  std::vector<std::string> ids;
  {
    Service service = serve();
    for (int i = 0; i < 6; ++i) ids.push_back(service.submit(service.settings(128, 20, i)));
    service.reaches_step(ids[1], 3);
    service.kill();
  }
  Service service = serve();
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const Json job = service.ended(ids[i]);
    EXPECT_EQ(job["state"], "done") << job.dump();
    EXPECT_EQ(pixels_of(service.picture(ids[i])).size(), 128U * 128 * 3);
  }
  const std::string again = service.finished_picture(service.settings(128, 20, 1));
  EXPECT_EQ(pixels_of(service.picture(ids[1])), pixels_of(again));
}

TEST_F(Serve, RefusalsSuggestASizeThatFits) {
  Service service = serve({"--memory", "120MiB", "--no-spill"});
  const Reply asked = service.ask("POST", "/api/plan", service.settings(2048, 2).dump());
  ASSERT_EQ(asked.status, 200) << asked.body;
  const Json plan = Json::parse(asked.body);
  EXPECT_EQ(plan["fits"], false);
  EXPECT_GT(plan["minimum_bytes"], 120 << 20);
  const std::string refusal = plan["refusal"].is_string() ? plan["refusal"] : Json("");
  EXPECT_TRUE(refusal.starts_with("cannot fit: 2048x2048 needs at least ")) << refusal;
  ASSERT_TRUE(plan["smaller"].is_object()) << asked.body;
  const Json refused = service.ended(service.submit(service.settings(2048, 2)));
  EXPECT_EQ(refused["state"], "failed");
  EXPECT_EQ(refused["error"]["code"], "memory");
  EXPECT_EQ(refused["error"]["message"], refusal);
  Json smaller = service.settings(64, 1);
  smaller["width"] = plan["smaller"]["width"];
  smaller["height"] = plan["smaller"]["height"];
  const Json made = service.ended(service.submit(smaller));
  EXPECT_EQ(made["state"], "done") << made.dump();
  EXPECT_LT(service.memory("VmHWM"), 120ULL << 20U);
  RecordProperty("peak_mib", static_cast<int>(service.memory("VmHWM") >> 20U));
}

TEST_F(Serve, AnalysesAPhotoWhileAJobRuns) {
  Service service = serve();
  const std::string id = service.submit(service.settings(256, 100));
  service.reaches_step(id, 1);
  const auto begin = Clock::now();
  const Reply reply = service.post("/api/faces", Form().add("photo", demo_photo(3), "me.png"));
  RecordProperty("face_ms", static_cast<int>(seconds_since(begin) * 1000));
  EXPECT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(Json::parse(reply.body)["faces"].size(), 1U);
  EXPECT_EQ(service.state(id), "running");
}

TEST_F(Serve, ReachableAddressesNeedAKey) {
  run({"serve", "--listen", "0.0.0.0:0", "--data", file("data")})
      .exits(2)
      .says("other machines can reach it")
      .says("--api-key-file");
  write_bytes(file("empty"), "\n");
  run({"serve", "--listen", "0.0.0.0:0", "--api-key-file", file("empty")})
      .exits(2)
      .says("the first line of " + file("empty") + ", got an empty line");
  write_bytes(file("short"), "0123456789abcde\n");
  run({"serve", "--listen", "0.0.0.0:0", "--api-key-file", file("short")})
      .exits(2)
      .says("expected 16 to 512 visible ASCII characters without spaces, got 15 characters");
  EXPECT_FALSE(fs::exists(file("data")));
}

TEST_F(Serve, WarnsThatTrafficIsNotEncrypted) {
  write_bytes(file("key"), "correct-horse-battery\n");
  Running open = start({"serve", "--listen", "0.0.0.0:0", "--data", file("data"), "--quiet",
                        "--api-key-file", file("key")});
  EXPECT_TRUE(open.waits_for("warning: traffic to and from 0.0.0.0:0 is not encrypted"));
  open.signal(SIGTERM);
  open.end_within(30s).exits(0);
  Service service = serve({"--api-key-file", file("key")});
  service.stop().exits(0).does_not_say("not encrypted");
}

TEST_F(Serve, SpeaksSpanishThroughout) {
  write_bytes(file("key"), "correct-horse-battery\n");
  Running spanish = start({"serve", "--listen", "0.0.0.0:0", "--data", file("data"), "--lang", "es",
                           "--api-key-file", file("key")});
  EXPECT_TRUE(spanish.waits_for("aviso: el tráfico con 0.0.0.0:0 no está cifrado"));
  spanish.signal(SIGTERM);
  Outcome said = spanish.end_within(30s);
  said.exits(0)
      .prints("escuchando en http://0.0.0.0:")
      .says("No se ha indicado ningún modelo")
      .says(", resultados en " + file("data") + "\n")
      .says("cerrando\n");
  for (const char* word :
       {"warning", "mode ", "budget", "results", "shutting down", "not encrypted"})
    said.does_not_say(word);
  Service service = serve();
  const std::string settings = service.settings(64, 1).dump();
  for (const auto& [language, mode] :
       std::map<std::string, std::string>{{"es-MX,en", "Modo: "}, {"en", "Mode: "}}) {
    const std::string header = "Accept-Language: " + language + "\r\n";
    const Json plan = Json::parse(service.ask("POST", "/api/plan", settings, header).body);
    EXPECT_TRUE(plan["summary"][0].get<std::string>().starts_with(mode)) << plan.dump();
  }
}

TEST_F(Serve, EverythingExceptThePageAndHealthNeedsTheKey) {
  write_bytes(file("key"), "correct-horse-battery\n");
  Service service = serve({"--api-key-file", file("key")});
  const std::string key = "Authorization: Bearer correct-horse-battery\r\n";
  const std::string id = service.submit(service.form(service.settings(64, 1)), key);
  const std::string job = "/api/jobs/" + id;
  for (const std::string& path :
       {job, job + "/events", job + "/images/0", std::string("/api/jobs"), std::string("/metrics"),
        std::string("/api/info"), std::string("/api/memory"), std::string("/v1/models")}) {
    std::vector<std::string> all_wrong{"", "Cookie: semblance_session=correct-horse-battery\r\n"};
    if (path == "/metrics" || path == job) {  // more would be slowed down as guessing
      all_wrong.emplace_back("Authorization: Bearer correct-horse-batter\r\n");
      all_wrong.emplace_back("Authorization: Bearer correct-horse-battery-x\r\n");
    }
    for (const std::string& wrong : all_wrong) {
      const Reply refused = service.ask("GET", path, "", wrong);
      EXPECT_EQ(refused.status, 401) << path << wrong;
      EXPECT_EQ(Json::parse(refused.body)["error"]["code"], "unauthorized");
    }
    if (!path.ends_with("events") && !path.ends_with("0")) {
      EXPECT_EQ(service.ask("GET", path, "", key).status, 200) << path;
    }
  }
  for (const char* path : {"/", "/api/health", "/api/ready", "/openapi.json", "/web/app.js"})
    EXPECT_EQ(service.ask("GET", path).status, 200) << path;
  EXPECT_EQ(service.post("/api/jobs", service.form(service.settings(64, 1))).status, 401);
  // A page cannot add headers to images and event streams, so the cookie covers them.
  Reply login = service.ask("POST", "/api/login", R"({"key": "correct-horse-battery"})");
  ASSERT_EQ(login.status, 204);
  const std::string cookie = login.headers["set-cookie"];
  const std::string sent = "Cookie: " + cookie.substr(0, cookie.find(';')) + "\r\n";
  Events events(service.port(), job + "/events", sent);
  std::string last;
  while (const auto event = events.next()) last = event->name;
  EXPECT_EQ(last, "end");
  EXPECT_EQ(service.ask("GET", job + "/images/0", "", sent).status, 200);
  EXPECT_EQ(service.ask("POST", "/api/login", R"({"key": "wrong"})").status, 401);
  EXPECT_EQ(service.ask("POST", "/api/logout", "", sent).status, 204);
  EXPECT_EQ(service.ask("GET", job + "/images/0", "", sent).status, 401);
}

TEST_F(Serve, GuessingTheKeyIsSlowedDownAndLogged) {
  write_bytes(file("key"), "correct-horse-battery\n");
  Service service = serve({"--api-key-file", file("key")});
  for (int i = 0; i < 10; ++i) {
    const Reply refused =
        i % 2 == 0
            ? service.ask("POST", "/api/login", R"({"key": "a-wrong-secret"})")
            : service.ask("GET", "/api/jobs", "", "Authorization: Bearer a-wrong-secret\r\n");
    EXPECT_EQ(refused.status, 401);
  }
  Reply held = service.ask("POST", "/api/login", R"({"key": "correct-horse-battery"})");
  EXPECT_EQ(held.status, 429);
  EXPECT_GT(std::stoi("0" + held.headers["retry-after"]), 0);
  EXPECT_LE(std::stoi("0" + held.headers["retry-after"]), 60);
  const std::string said = service.stop().exits(0).err();
  int lines = 0;
  for (std::size_t at = 0; (at = said.find("failed login: 127.0.0.1 ", at)) != said.npos; ++at)
    ++lines;
  EXPECT_EQ(lines, 10) << said;
  EXPECT_NE(said.find("Z failed login: 127.0.0.1 POST /api/login 401: wrong key\n"),
            std::string::npos)
      << said;
  EXPECT_NE(said.find("Z failed login: 127.0.0.1 GET /api/jobs 401: "), std::string::npos) << said;
  EXPECT_EQ(said.find("secret"), std::string::npos) << said;
}

TEST_F(Serve, AFailedJobIsLogged) {
  Service service = serve({"--quiet"});
  Json settings = service.settings(64, 1);
  settings["prompt"] = "a very private prompt";
  const std::string id = service.submit(service.form(settings).add("face", "7"));
  EXPECT_EQ(service.ended(id)["state"], "failed");
  const std::string said = service.stop().exits(0).err();
  EXPECT_NE(
      said.find("Z failed job: " + id + ": argument: face: the photo shows 1 faces, got face 7"),
      std::string::npos)
      << said;
  EXPECT_EQ(said.find("private"), std::string::npos) << said;
}

TEST_F(Serve, ReportsAFolderOrPortInUse) {
  Service service = serve();
  const auto second = [&](const std::string& listen, const std::string& data) {
    const fs::path logs = folder() / "second";
    fs::create_directories(logs);
    return Running({SEMBLANCE_PROGRAM, "serve", "--listen", listen, "--data", data}, logs)
        .end_within(30s);
  };
  second("127.0.0.1:0", file("data")).exits(7).says("another semblance serve is using it");
  second("127.0.0.1:" + std::to_string(service.port()), file("other")).exits(2).says("--listen");
  EXPECT_EQ(service.ask("GET", "/api/health").status, 200);
}

TEST_F(Serve, ReleasesTheModelsWhenIdle) {
  Service service = serve({"--release-after", "1"});
  service.finished_picture(service.settings(256, 2));
  const std::uint64_t busy = service.memory("VmRSS");
  std::uint64_t idle = busy;
  for (int i = 0; i < 100 && idle >= 40ULL << 20U; ++i) {
    std::this_thread::sleep_for(100ms);
    idle = service.memory("VmRSS");
  }
  EXPECT_LT(idle, 40ULL << 20U);
  RecordProperty("busy_mib", static_cast<int>(busy >> 20U));
  RecordProperty("idle_kib", static_cast<int>(idle >> 10U));
  // And loads them again.
  service.finished_picture(service.settings(64, 1));
}

}  // namespace
}  // namespace semblance::cli
