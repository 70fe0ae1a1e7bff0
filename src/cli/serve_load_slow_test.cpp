// The service under load: 200 requests, 16 at a time, in 256 MiB.
#include <fmt/core.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <stop_token>

#include "cli/serve_test.h"

namespace semblance::cli {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::json;

class ServeLoad : public ServeTest {};

/// Results of all clients.
struct Met {
  std::mutex mutex;
  std::vector<std::string> jobs;  // accepted by /api/jobs
  int edits = 0;                  // pictures from /v1/images/edits
  int full = 0;                   // responses 429

  std::vector<std::string> failures;

  void fail(const std::string& what) {
    const std::lock_guard guard(mutex);
    failures.push_back(what.substr(0, 300));
  }
};

/// Repeats the request until the queue has room. True if it was accepted and the reply is complete.
bool is_taken(Met& met, const std::function<Reply()>& send, Reply& reply) {
  while (true) {
    reply = send();
    if (reply.status >= 200 && reply.status < 300 && reply.is_whole) return true;
    if (reply.status != 429 || reply.headers["retry-after"].empty()) {
      met.fail(fmt::format("{}{} {}", reply.status, reply.is_whole ? "" : " (cut off)",
                           reply.body.substr(0, 200)));
      return false;
    }
    {
      const std::lock_guard guard(met.mutex);
      ++met.full;
    }
    std::this_thread::sleep_for(50ms);  // shorter than Retry-After, to keep up the load
  }
}

void ask_for_job(const Service& service, Met& met, int n) {
  const Form form = Service::form(Service::settings(128, 2, n), n % 12 + 1);
  Reply reply;
  if (!is_taken(
          met, [&] { return service.post("/api/jobs", form); }, reply))
    return;
  const std::string id = Json::parse(reply.body).at("id");
  const std::lock_guard guard(met.mutex);
  met.jobs.push_back(id);
}

void ask_for_edit(const Service& service, Met& met, int n) {
  const Form form = Form()
                        .add("image", demo_photo(n % 12 + 1), "me.png")
                        .add("prompt", "x")
                        .add("size", "128x128")
                        .add("steps", "2")
                        .add("output_format", n % 4 == 1 ? "png" : "webp");
  Reply reply;
  if (!is_taken(
          met, [&] { return service.post("/v1/images/edits", form); }, reply))
    return;
  const bool has_picture = !Json::parse(reply.body).at("data").at(0).at("b64_json").empty();
  const std::lock_guard guard(met.mutex);
  met.edits += has_picture ? 1 : 0;
}

/// Sends every request once, from this many clients at a time. No exception leaves a thread.
void ask_all(const Service& service, Met& met, int requests, int clients) {
  std::atomic<int> next = 0;
  std::vector<std::jthread> threads;
  for (int client = 0; client < clients; ++client) {
    threads.emplace_back([&] {
      for (int n = next++; n < requests; n = next++) {
        try {
          n % 2 == 0 ? ask_for_job(service, met, n) : ask_for_edit(service, met, n);
        } catch (const std::exception& error) {
          met.fail(error.what());
        }
      }
    });
  }
}

/// Samples a service's peak memory for the lifetime of the object.
class Watch {
 public:
  explicit Watch(const Service& service)
      : thread_([this, &service](const std::stop_token& stop) {
          for (; !stop.stop_requested(); std::this_thread::sleep_for(10ms))
            most_ = std::max(most_.load(), service.memory("VmRSS"));
        }) {}
  std::uint64_t most() const { return most_; }

 private:
  std::atomic<std::uint64_t> most_ = 0;
  std::jthread thread_;
};

TEST_F(ServeLoad, OnlyAFullQueueRefuses) {
  constexpr int kRequests = 200, kClients = 16;
  constexpr std::uint64_t kBudget = 256ULL << 20U;
  Service service = serve({"--memory", "256MiB", "--queue", "8", "--keep", "1000", "--quiet"});
  service.set_patience(5min);  // an edit's reply arrives with its picture
  Met met;
  const Watch watch(service);
  const auto begin = Clock::now();
  ask_all(service, met, kRequests, kClients);
  for (const std::string& id : met.jobs) {
    const Json job = service.ended(id, 10min);
    EXPECT_EQ(job.value("state", "none"), "done") << job.dump();
    EXPECT_EQ(pixels_of(service.picture(id)).size(), 128U * 128 * 3);
  }
  const double seconds = seconds_since(begin);
  for (const std::string& failure : met.failures) ADD_FAILURE() << failure;
  EXPECT_EQ(met.jobs.size(), 100U);
  EXPECT_EQ(std::set<std::string>(met.jobs.begin(), met.jobs.end()).size(), 100U);
  EXPECT_EQ(met.edits, 100);
  EXPECT_GT(met.full, 0) << "the queue was never full";
  // No job is lost, none is run twice.
  std::size_t listed = 0;
  std::string last;
  while (true) {
    const Json page = service.get("/api/jobs?limit=200" + (last.empty() ? "" : "&before=" + last));
    ASSERT_TRUE(page.contains("jobs")) << page.dump();
    if (page["jobs"].empty()) break;
    for (const Json& job : page["jobs"]) EXPECT_EQ(job["state"], "done");
    listed += page["jobs"].size();
    last = page["jobs"].back()["id"];
  }
  EXPECT_EQ(listed, static_cast<std::size_t>(kRequests));
  EXPECT_LT(watch.most(), kBudget);
  EXPECT_LT(service.memory("VmHWM"), kBudget);
  RecordProperty("seconds", static_cast<int>(seconds));
  RecordProperty("full", met.full);
  RecordProperty("most_resident_mib", static_cast<int>(watch.most() >> 20U));
  RecordProperty("peak_mib", static_cast<int>(service.memory("VmHWM") >> 20U));
  service.stop().exits(0);
}

}  // namespace
}  // namespace semblance::cli
