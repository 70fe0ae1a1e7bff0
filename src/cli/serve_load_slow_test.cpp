// The service under load: 200 requests, 16 at a time, in 256 MiB.
#include <atomic>
#include <mutex>

#include "cli/serve_test.h"

namespace semblance::cli {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::json;

class ServeLoad : public ServeTest {};

/// What 16 clients have met.
struct Met {
  std::mutex mutex;
  std::vector<std::string> jobs;  // taken by /api/jobs
  int edits = 0;                  // pictures that /v1/images/edits gave
  int full = 0;                   // 429
  std::vector<std::string> failures;
};

/// Sends until the queue has room. True where it was taken at last.
bool is_taken(Met& met, const std::function<Reply()>& send, Reply& reply) {
  while (true) {
    reply = send();
    if (reply.status < 300) return true;
    const std::lock_guard guard(met.mutex);
    if (reply.status != 429 || reply.headers["retry-after"].empty()) {
      met.failures.push_back(std::to_string(reply.status) + " " + reply.body.substr(0, 300));
      return false;
    }
    ++met.full;
    std::this_thread::sleep_for(50ms);  // shorter than it says, for the sake of the load
  }
}

TEST_F(ServeLoad, NothingFailsButAFullQueue) {
  constexpr int kRequests = 200, kClients = 16;
  constexpr std::uint64_t kBudget = 256ULL << 20U;
  Service service = serve({"--memory", "256MiB", "--queue", "8", "--keep", "1000", "--quiet"});
  Met met;
  std::uint64_t most = 0;
  std::atomic<bool> over = false;
  std::thread watcher([&] {
    for (; !over; std::this_thread::sleep_for(10ms)) most = std::max(most, service.memory("VmRSS"));
  });
  const auto begin = Clock::now();
  std::atomic<int> next = 0;
  {
    std::vector<std::jthread> clients;
    for (int client = 0; client < kClients; ++client) {
      clients.emplace_back([&] {
        for (int n = next++; n < kRequests; n = next++) {
          Reply reply;
          if (n % 2 == 0) {
            const Form form = Service::form(Service::settings(128, 2, n), n % 12 + 1);
            if (!is_taken(
                    met, [&] { return service.post("/api/jobs", form); }, reply))
              continue;
            const std::lock_guard guard(met.mutex);
            met.jobs.push_back(Json::parse(reply.body)["id"]);
          } else {
            const Form form = Form()
                                  .add("image", demo_photo(n % 12 + 1), "me.png")
                                  .add("prompt", "x")
                                  .add("size", "128x128")
                                  .add("steps", "2")
                                  .add("output_format", n % 4 == 1 ? "png" : "webp");
            if (!is_taken(
                    met, [&] { return service.post("/v1/images/edits", form); }, reply))
              continue;
            const std::lock_guard guard(met.mutex);
            met.edits += !Json::parse(reply.body)["data"][0]["b64_json"].empty() ? 1 : 0;
          }
        }
      });
    }
  }
  for (const std::string& id : met.jobs) {
    const Json job = service.ended(id);
    EXPECT_EQ(job["state"], "done") << job.dump();
    EXPECT_EQ(pixels_of(service.picture(id)).size(), 128U * 128 * 3);
  }
  const double seconds = seconds_since(begin);
  over = true;
  watcher.join();
  for (const std::string& failure : met.failures) ADD_FAILURE() << failure;
  EXPECT_EQ(met.jobs.size(), 100U);
  EXPECT_EQ(std::set<std::string>(met.jobs.begin(), met.jobs.end()).size(), 100U);
  EXPECT_EQ(met.edits, 100);
  EXPECT_GT(met.full, 0) << "the queue was never full";
  // Nothing lost, nothing made twice.
  std::size_t listed = 0;
  std::string last;
  while (true) {
    const Json page = service.get("/api/jobs?limit=200" + (last.empty() ? "" : "&before=" + last));
    if (page["jobs"].empty()) break;
    for (const Json& job : page["jobs"]) EXPECT_EQ(job["state"], "done");
    listed += page["jobs"].size();
    last = page["jobs"].back()["id"];
  }
  EXPECT_EQ(listed, static_cast<std::size_t>(kRequests));
  EXPECT_LT(most, kBudget);
  EXPECT_LT(service.memory("VmHWM"), kBudget);
  RecordProperty("seconds", static_cast<int>(seconds));
  RecordProperty("full", met.full);
  RecordProperty("most_resident_mib", static_cast<int>(most >> 20U));
  RecordProperty("peak_mib", static_cast<int>(service.memory("VmHWM") >> 20U));
  service.stop().exits(0);
}

}  // namespace
}  // namespace semblance::cli
