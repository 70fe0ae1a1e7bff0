// What an operator sees of `semblance serve`: its log, and what it tells a service manager.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <map>
#include <sstream>

#include "cli/serve_test.h"

namespace semblance::cli {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::json;

class ServeLog : public ServeTest {
 protected:
  /// A listening TCP socket on loopback.
  static int listening_socket() {
    const int made = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(made, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(::listen(made, 8), 0);
    return made;
  }
  static int port_of(int socket) {
    sockaddr_in address{};
    socklen_t length = sizeof(address);
    ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length);
    return ntohs(address.sin_port);
  }
  /// As systemd starts it: with `socket` as descriptor 3.
  Running start_with(int socket, const std::vector<std::string>& more = {},
                     const std::string& count = "1") {
    const int before = ::fcntl(3, F_DUPFD_CLOEXEC, 10);
    const int copy = ::fcntl(socket, F_DUPFD_CLOEXEC, 10);  // `socket` may be 3
    EXPECT_EQ(::dup2(copy, 3), 3);
    ::close(copy);
    std::vector<std::string> words{"serve", "--data", file("data")};
    words.insert(words.end(), more.begin(), more.end());
    Running running = start_behind("export LISTEN_PID=$$ LISTEN_FDS=" + count, words);
    ::close(3);
    if (before >= 0) {
      ::dup3(before, 3, O_CLOEXEC);
      ::close(before);
    }
    return running;
  }
};

TEST_F(ServeLog, HasALineForEachRequestAndJob) {
  write_bytes(file("key"), "correct-horse-battery\n");
  Service service = serve(
      {"--quiet", "--log-level", "info", "--log-format", "json", "--api-key-file", file("key")});
  const std::string key = "Authorization: Bearer correct-horse-battery\r\n";
  Json settings = service.settings(64, 2);
  settings["prompt"] = "a very private prompt";
  const std::string id = service.submit(service.form(settings), key);
  const std::string path = "/api/jobs/" + id;
  Events events(service.port(), path + "/events", key);
  while (events.next()) continue;
  const Reply picture = service.ask("GET", path + "/images/0?private=1", "", key);
  service.ask("GET", "/nothing%20200%20forged?private=1", "", key);
  service.ask("GET", "/api/health");
  const std::string said = service.stop().exits(0).err();
  std::map<std::string, Json> requests;
  Json job;
  std::istringstream lines(said);
  for (std::string text; std::getline(lines, text);) {
    const Json line = Json::parse(text);
    EXPECT_EQ(line["level"], "info");
    if (line["event"] == "request") requests[line["route"]] = line;
    if (line["event"] == "job") job = line;
  }
  EXPECT_EQ(requests.size(), 4U) << said;
  EXPECT_EQ(requests["/api/jobs"]["method"], "POST");
  EXPECT_EQ(requests["/api/jobs"]["status"], 201);
  const Json& image = requests["/api/jobs/{id}/images/{n}"];
  EXPECT_EQ(image["client"], "127.0.0.1");
  EXPECT_GT(image["bytes"], picture.body.size());
  EXPECT_LT(image["bytes"], picture.body.size() + 2000);
  EXPECT_GT(requests["/api/jobs/{id}/events"]["ms"], image["ms"]);
  EXPECT_EQ(requests["/nothing%20200%20forged"]["status"], 404);
  EXPECT_EQ(job["job"], id);
  EXPECT_EQ(job["state"], "done");
  EXPECT_EQ(job["size"], "64x64");
  EXPECT_EQ(job["steps"], 2);
  EXPECT_EQ(job["pictures"], 1);
  EXPECT_GT(job["seconds"], 0);
  for (const char* secret : {"private", "battery", "me.png"})
    EXPECT_EQ(said.find(secret), std::string::npos) << said;
}

TEST_F(ServeLog, HasPromptsOnlyIfAskedFor) {
  Service service = serve({"--quiet", "--log-level", "info", "--log-prompts"});
  Json settings = service.settings(64, 1);
  settings["prompt"] = "a \"man\"\nin the snow";
  service.ended(service.submit(settings));
  service.stop().exits(0).says(
      " size=64x64 steps=1 pictures=1 prompt=\"a \\\"man\\\" in the snow\"\n");
}

TEST_F(ServeLog, RefusesAnUnknownLevel) {
  run({"serve", "--log-level", "verbose"})
      .exits(2)
      .says("--log-level")
      .says("error, warning, info, debug");
}

TEST_F(ServeLog, ListensOnThePassedSocketAndTellsTheServiceManager) {
  const int notices = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  file("notify").copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_EQ(::bind(notices, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  const auto next_notice = [&] {
    pollfd state{notices, POLLIN, 0};
    std::string text(100, '\0');
    if (::poll(&state, 1, 60'000) <= 0) return std::string("none");
    text.resize(static_cast<std::size_t>(::recv(notices, text.data(), text.size(), 0)));
    return text;
  };
  const int socket = listening_socket();
  const int port = port_of(socket);
  // It is answered once the service is up.
  Client early(port);
  early.send(service::testing::request("GET", "/api/health"));
  setenv("NOTIFY_SOCKET", file("notify").c_str(), 1);
  Running process = start_with(socket);
  unsetenv("NOTIFY_SOCKET");
  EXPECT_EQ(next_notice(), "READY=1");
  EXPECT_EQ(early.reply().status, 200);
  EXPECT_EQ(Client(port).ask(service::testing::request("GET", "/api/health")).status, 200);
  process.signal(SIGTERM);
  EXPECT_EQ(next_notice(), "STOPPING=1");
  process.end_within(15s).exits(0).prints(" http://127.0.0.1:" + std::to_string(port) + "/");
  // The manager's socket still listens: the next start answers this one.
  EXPECT_TRUE(Client(port).is_connected());
  ::close(socket);
  ::close(notices);
}

TEST_F(ServeLog, SaysWhatIsWrongWithAPassedSocket) {
  const int socket = listening_socket();
  const std::string rule =
      ": expected one listening TCP socket, as ListenStream=127.0.0.1:7860 in a systemd socket "
      "unit "
      "makes it, got ";
  start_with(socket, {}, "2")
      .end_within(15s)
      .exits(2)
      .says("cannot listen on the sockets of LISTEN_FDS" + rule + "2");
  start_with(socket, {"--listen", "127.0.0.1:0"})
      .end_within(15s)
      .exits(2)
      .says("cannot take --listen: systemd has passed the socket of 127.0.0.1:" +
            std::to_string(port_of(socket)));
  const int other = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  start_with(other).end_within(15s).exits(2).says("cannot listen on the socket of LISTEN_FDS" +
                                                  rule + "something else");
  ::close(other);
  ::close(socket);
}

}  // namespace
}  // namespace semblance::cli
