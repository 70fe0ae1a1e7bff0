// `semblance serve` as a user runs it, and a client for it. For tests only.
#pragma once

#include <nlohmann/json.hpp>

#include "cli/program_test.h"
#include "image/decode.h"
#include "memory/file.h"
#include "service/client_test.h"
#include "service/form_test.h"

namespace semblance::cli {

using service::testing::Client;
using service::testing::Form;
using service::testing::Reply;

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

inline std::string demo_photo(int number = 1) {
  const std::string name = (number < 10 ? "0" : "") + std::to_string(number) + ".png";
  return bytes_of(fs::path(SEMBLANCE_SOURCE_DIR) / "models/demo/faces" / name);
}

/// The pixels of an encoded picture.
inline std::vector<std::uint8_t> pixels_of(const std::string& file) {
  const Image image = decode(*file_over("the picture", file));
  return {image.pixels().begin(), image.pixels().end()};
}

/// A stream of server-sent events.
class Events {
 public:
  struct Event {
    std::string name;
    nlohmann::json data;
    Clock::time_point came;
  };

  Events(int port, const std::string& path, const std::string& headers = "") : client_(port) {
    client_.send(service::testing::request("GET", path, headers));
  }
  /// The next event; nullopt when the stream has ended or after 30 seconds.
  std::optional<Event> next() {
    while (true) {
      const std::size_t end = text_.find("\n\n");
      if (end != std::string::npos) {
        const std::string event = text_.substr(0, end);
        text_.erase(0, end + 2);
        if (event.starts_with(":")) continue;
        const std::size_t line = event.find('\n');
        return Event{event.substr(7, line - 7), nlohmann::json::parse(event.substr(line + 7)),
                     Clock::now()};
      }
      if (!read_more()) return std::nullopt;
    }
  }

 private:
  bool read_more() {
    while (true) {
      raw_ += client_.take();
      if (!has_head_ && raw_.find("\r\n\r\n") != std::string::npos) {
        raw_.erase(0, raw_.find("\r\n\r\n") + 4);
        has_head_ = true;
      }
      const std::size_t line = has_head_ ? raw_.find("\r\n") : std::string::npos;
      if (line != std::string::npos) {
        const std::size_t size = std::stoul(raw_.substr(0, line), nullptr, 16);
        if (size == 0) return false;
        if (raw_.size() >= line + 2 + size + 2) {
          text_ += raw_.substr(line + 2, size);
          raw_.erase(0, line + 2 + size + 2);
          return true;
        }
      }
      if (!client_.receive(30'000)) return false;
    }
  }

  Client client_;
  std::string raw_, text_;
  bool has_head_ = false;
};

/// The port that `serve` prints, in any language; 0 and a test failure if it does not listen.
inline int listening_port(Running& process, const fs::path& stdout_file) {
  constexpr std::string_view kLine = " http://127.0.0.1:";
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(120);
  while (!process.ended() && std::chrono::steady_clock::now() < end) {
    const std::string said = bytes_of(stdout_file);
    const std::size_t at = said.find(kLine);
    if (at != std::string::npos && said.find('\n', at) != std::string::npos)
      return std::stoi(said.substr(at + kLine.size()));
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  if (!process.ended()) process.signal(SIGKILL);
  ADD_FAILURE() << "serve does not listen: " << process.end().err();
  return 0;
}

/// A running service; the destructor ends it with SIGTERM.
class Service {
 public:
  using Json = nlohmann::json;

  Service(Running process, const fs::path& stdout_file)
      : process_(std::move(process)), stdout_file_(stdout_file) {
    port_ = listening_port(process_, stdout_file_);
  }
  ~Service() {
    if (!process_.ended()) stop();
  }
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  int port() const { return port_; }
  /// Sets how long clients wait for the next bytes of a reply.
  void set_patience(std::chrono::milliseconds patience) { patience_ = patience; }
  Running& process() { return process_; }
  Outcome stop() {
    process_.signal(SIGTERM);
    return process_.end_within(std::chrono::seconds(15));
  }
  void kill() {
    process_.signal(SIGKILL);
    process_.end();
  }

  Reply ask(const std::string& method, const std::string& path, const std::string& body = "",
            const std::string& headers = "") const {
    Client client(port_);
    client.set_patience(patience_);
    return client.ask(service::testing::request(method, path, headers, body));
  }
  Reply post(const std::string& path, const Form& form, const std::string& headers = "") const {
    return ask("POST", path, form.body, "Content-Type: " + form.type + "\r\n" + headers);
  }
  Json get(const std::string& path) const {
    const Reply reply = ask("GET", path);
    EXPECT_EQ(reply.status, 200) << path << reply.body;
    return Json::parse(reply.body, nullptr, false);
  }

  static Json settings(int side, int steps, int seed = 7) {
    return {{"prompt", "a portrait of a man"},
            {"width", side},
            {"height", side},
            {"steps", steps},
            {"seed", seed}};
  }
  static Form form(const Json& settings, int photo = 1) {
    return Form().add("settings", settings.dump()).add("photo", demo_photo(photo), "me.png");
  }
  /// Queues a job; returns its id.
  std::string submit(const Form& form, const std::string& headers = "") const {
    const Reply reply = post("/api/jobs", form, headers);
    EXPECT_EQ(reply.status, 201) << reply.body;
    return reply.status == 201 ? Json::parse(reply.body)["id"].get<std::string>() : "none";
  }
  std::string submit(const Json& settings) const { return submit(form(settings)); }

  Json job(const std::string& id) const { return get("/api/jobs/" + id); }
  std::string state(const std::string& id) const { return job(id).value("state", "gone"); }
  /// Waits until the job has ended.
  Json ended(const std::string& id, std::chrono::seconds most = std::chrono::seconds(120)) const {
    const auto last = Clock::now() + most;
    while (Clock::now() < last) {
      Json now = job(id);
      if (!now["ended"].is_null()) return now;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    ADD_FAILURE() << "job " << id << " does not end: " << job(id).dump();
    return {};
  }
  /// Waits until this many steps are done.
  void reaches_step(const std::string& id, int step) const {
    for (int i = 0; i < 12'000; ++i) {
      const Json now = job(id);
      if (now["step"] >= step || !now["ended"].is_null()) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    ADD_FAILURE() << "job " << id << " does not reach step " << step;
  }
  std::string picture(const std::string& id, int n = 0) const {
    const Reply reply = ask("GET", "/api/jobs/" + id + "/images/" + std::to_string(n));
    EXPECT_EQ(reply.status, 200) << reply.body;
    return reply.body;
  }
  std::string finished_picture(const Json& settings) const {
    const std::string id = submit(settings);
    EXPECT_EQ(ended(id)["state"], "done") << job(id).dump();
    return picture(id);
  }

  /// A value from /proc/PID/status in bytes: "VmHWM", "VmRSS".
  std::uint64_t memory(const std::string& name) const {
    std::ifstream in("/proc/" + std::to_string(process_.process()) + "/status");
    for (std::string line; std::getline(in, line);) {
      if (line.starts_with(name + ":")) return std::stoull(line.substr(name.size() + 1)) * 1024;
    }
    return 0;
  }

 private:
  Running process_;
  fs::path stdout_file_;
  int port_ = 0;
  std::chrono::milliseconds patience_{10'000};
};

class ServeTest : public ProgramTest {
 protected:
  /// Starts the service in the test's folder, with extra flags.
  Service serve(const std::vector<std::string>& more = {}) {
    std::vector<std::string> words{"serve", "--listen", "127.0.0.1:0", "--data", file("data")};
    words.insert(words.end(), more.begin(), more.end());
    return {start(words), folder() / "logs/stdout.txt"};
  }
  fs::path folder_of(const std::string& id) const { return folder() / "data/jobs" / id; }
};

}  // namespace semblance::cli
