// All kinds of hostile clients at once while a job runs: in a control group hardly larger than its
// budget, the service stays within the budget, and the job's picture is unchanged.
#include <atomic>

#include "cli/png_bombs_test.h"
#include "cli/serve_test.h"
#include "tests/support/control_group.h"
#include "tests/support/sanitized.h"

namespace semblance::cli {
namespace {

using namespace std::chrono_literals;
using semblance::testing::ControlGroup;
using service::testing::request;

constexpr std::uint64_t kMiB = 1ULL << 20U;
constexpr std::uint64_t kBudget = 96 * kMiB;
constexpr int kReceiveBytes =
    4096;  // of a client that does not read; the rest waits in the service

class ServeHostile : public ServeTest {
 protected:
  /// Submits a job, heeding Retry-After; returns its id, or "" after a minute.
  static std::string submit_when_there_is_room(const Service& service,
                                               const Service::Json& settings) {
    for (const auto end = Clock::now() + 60s; Clock::now() < end; std::this_thread::sleep_for(1s)) {
      const Reply reply = service.post("/api/jobs", Service::form(settings));
      if (reply.status == 201) return nlohmann::json::parse(reply.body)["id"];
      EXPECT_EQ(reply.status, 503) << reply.body;
      EXPECT_TRUE(reply.headers.contains("retry-after"));
    }
    return "";
  }
  /// Requests the picture but reads nothing.
  static std::vector<Client> unread(const Service& service, const std::string& path, int count) {
    std::vector<Client> clients;
    for (int i = 0; i < count; ++i) {
      // From several addresses, since each may have only some of the connections.
      clients.emplace_back(service.port(), kReceiveBytes, "127.0.1." + std::to_string(i / 100 + 1));
      clients.back().send(request("GET", path));
    }
    return clients;
  }
  /// Sends a form of `bytes` except its end.
  static Client half_sent(const Service& service, std::size_t bytes) {
    Client client(service.port(), 0, "127.0.2.1");
    client.send(
        "POST /api/faces HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; "
        "boundary=BouNdary\r\nContent-Length: " +
        std::to_string(bytes) + "\r\n\r\n");
    client.send(std::string(bytes - 100, 'x'));
    return client;
  }
};

TEST_F(ServeHostile, StaysWithinItsBudgetUnderAllAttacksAtOnce) {
  if (semblance::testing::kSanitized) GTEST_SKIP() << "the sanitizer uses memory of its own";
  const ControlGroup group(kBudget + 16 * kMiB);
  if (!group.ready()) GTEST_SKIP() << group.why_not();
  Service service(
      start_behind(group.enter_command(), {"serve", "--listen", "127.0.0.1:0", "--data",
                                           file("data"), "--memory", "96MiB", "--queue", "100"}),
      folder() / "logs/stdout.txt");
  const auto settings = Service::settings(192, 60);
  const std::string picture = service.finished_picture(settings);

  const std::string other = service.submit(Service::settings(64, 1));
  service.ended(other);
  write_bytes(folder_of(other) / "0.png", std::string(9 * kMiB, 'p'));
  const std::string job = service.submit(settings);
  service.reaches_step(job, 1);

  const std::vector<Client> readers = unread(service, "/api/jobs/" + other + "/images/0", 256);
  const Client upload = half_sent(service, 12 * kMiB), another = half_sent(service, 12 * kMiB);
  std::vector<std::string> queued;
  auto longest = Service::settings(64, 1);
  longest["prompt"] = std::string(65'536, 'a');
  for (int i = 0; i < 64; ++i) {
    for (int n = 0; n < 32'768; ++n)  // words; no two prompts are equal
      longest["prompt"].get_ref<std::string&>()[static_cast<std::size_t>(2 * n)] =
          static_cast<char>('a' + (n * (i + 1) % 26));
    longest["encoding"] = i % 2 == 0 ? "plain" : "auto";
    queued.push_back(submit_when_there_is_room(service, longest));
  }
  for (const std::string& bomb : {text_head_bomb(), text_bomb(200, 8 * kMiB)}) {
    const Reply reply = service.post("/api/faces", Form().add("photo", bomb));
    EXPECT_TRUE(reply.status == 200 || reply.status == 400 || reply.status == 422) << reply.body;
  }
  EXPECT_EQ(service.ask("POST", "/api/plan", settings.dump()).status, 200);
  EXPECT_EQ(service.ended(job)["state"], "done");
  EXPECT_EQ(pixels_of(service.picture(job)), pixels_of(picture));
  for (std::size_t i = 0; i < queued.size(); ++i) {
    ASSERT_NE(queued[i], "") << "the stalled uploads held their room for a minute";
    const auto ended = service.ended(queued[i]);
    if (i % 2 == 0) {
      EXPECT_EQ(ended["state"], "done") << ended["error"];
    } else {  // all of its tokens do not fit
      EXPECT_EQ(ended["error"]["code"], "memory") << ended;
    }
  }

  RecordProperty("peak_mib", static_cast<int>(service.memory("VmHWM") / kMiB));
  RecordProperty("group_peak_mib", static_cast<int>(group.peak_bytes() / kMiB));
  RecordProperty("page_tables_kib", static_cast<int>(service.memory("VmPTE") / 1024));
  EXPECT_LT(service.memory("VmHWM"), kBudget);
  EXPECT_LT(service.memory("VmPTE"), 2 * kMiB);
  service.stop().exits(0);
}

}  // namespace
}  // namespace semblance::cli
