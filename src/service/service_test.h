// The service without sockets: the demo model behind all routes, in its own folder. For tests only.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>

#include "service/form_test.h"
#include "service/routes.h"
#include "tests/support/sanitized.h"

namespace semblance::service::testing {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

inline fs::path demo_folder() { return fs::path(SEMBLANCE_SOURCE_DIR) / "models/demo"; }

inline std::string bytes_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// The photo of a drawn person, counted from 1.
inline std::string photo(int number = 1) {
  return bytes_of(demo_folder() / "faces" / fmt::format("{:02}.png", number));
}

class ServiceTest : public ::testing::Test {
 protected:
  /// A sanitizer's memory counts too.
  static constexpr std::uint64_t kBudgetBytes =
      std::uint64_t{semblance::testing::kSanitized ? 640U : 256U} << 20U;

  ServiceTest() {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::temp_directory_path() /
              ("semblance_service_" + std::string(test->name()) + "_" + std::to_string(getpid()));
    fs::remove_all(folder_);
    hub_.endpoint = hub_.face_endpoint = "http://127.0.0.1:1";
    hub_.cache = fs::path(folder_) += "_hub";
    hub_.face_models = fs::path(folder_) += "_insightface";
    // The machine is measured once for all tests; the result is not kept for the user.
    setenv("XDG_CACHE_HOME", (fs::temp_directory_path() / "semblance_test_cache").c_str(), 1);
    const fs::path demo = demo_folder();
    engine_.emplace(
        EngineOptions{.models = {demo / "base", demo / "ControlNetModel", demo / "ip-adapter.bin"},
                      .faces = {.folder = demo / "face-models"},
                      .demo = true,
                      .memory = {.kind = MemoryRequest::Kind::kBytes, .bytes = kBudgetBytes},
                      .may_spill = false});
  }
  ~ServiceTest() override {
    end();
    for (const fs::path& folder : {folder_, hub_.cache, hub_.face_models}) fs::remove_all(folder);
  }

  /// Opens the store and starts the queue.
  void begin(const JobsOptions& options = {}) {
    if (!store_) store_.emplace(folder_);
    jobs_.emplace(*engine_, *store_, options);
    links_.emplace(store_->link_secret());
    context_.emplace(Context{.engine = *engine_,
                             .jobs = *jobs_,
                             .store = *store_,
                             .links = *links_,
                             .shop = &shop_,
                             .find_models = [this](const std::string& name, const OtherModel*) {
                               if (!other_models_) fail(ErrorKind::kMissing, "no {}", name);
                               return *other_models_;
                             }});
    router_.emplace();
    add_all_routes(*router_, *context_);
  }
  /// Stops everything, like the program's end.
  void end() {
    router_.reset();
    context_.reset();
    jobs_.reset();
    store_.reset();
  }
  /// Opens only the store, before begin().
  Store& opened_store() {
    if (!store_) store_.emplace(folder_);
    return *store_;
  }
  Store& store() { return *store_; }
  Jobs& jobs() { return *jobs_; }
  Engine& engine() { return *engine_; }
  const Router& router() const { return *router_; }
  const fs::path& folder() const { return folder_; }
  fs::path folder_of(const std::string& id) const { return folder_ / "jobs" / id; }

  static JobRequest request(const std::string& photo, int steps = 2, int side = 64) {
    JobRequest job;
    job.prompt = "a man";
    job.steps = steps;
    job.width = job.height = side;
    job.seed = 7;
    job.photo.bytes = photo;
    return job;
  }

  std::string picture(const std::string& id, std::size_t n) {
    return Body(jobs().picture(id, n)).whole();
  }
  bool becomes(const std::string& id, JobState state) {
    return becomes_true([&] { return jobs().get(id).state == state; });
  }
  static bool becomes_true(const std::function<bool()>& condition,
                           std::chrono::seconds most = std::chrono::seconds(60)) {
    if (semblance::testing::kSanitized) most *= 10;
    const auto last = std::chrono::steady_clock::now() + most;
    for (;;) {
      const auto asked = std::chrono::steady_clock::now();
      if (condition()) return true;
      const auto now = std::chrono::steady_clock::now();
      if (now > last) return false;
      // Asking must not take the cores from what is waited for: under a sanitizer it takes long.
      std::this_thread::sleep_for(std::max<std::chrono::nanoseconds>(2ms, 4 * (now - asked)));
    }
  }
  /// "status code" of the error that `action` throws, or "no error".
  static std::string refusal(const std::function<void()>& action) {
    try {
      action();
    } catch (const HttpError& error) {
      const auto body = nlohmann::json::parse(error.response().body.whole())["error"];
      return fmt::format("{} {}", error.response().status, body["code"].get<std::string>());
    } catch (const Error& error) {
      return std::string(name_of(error.kind()));
    }
    return "no error";
  }

 private:
  fs::path folder_;
  std::optional<Engine> engine_;
  std::optional<Store> store_;
  std::optional<Jobs> jobs_;
  std::optional<Links> links_;
  std::optional<Context> context_;

 protected:
  /// The hub is a place where nobody listens, unless a test says otherwise.
  Places hub_;
  PullOptions pull_options_ = [] {
    PullOptions options;
    options.network.first_pause = std::chrono::milliseconds(1);
    options.network.attempts = 2;
    return options;
  }();
  ModelShop shop_{[this] { return hub_; }, pull_options_};
  std::optional<ModelSet> other_models_;  // what can be switched to
  std::optional<Router> router_;
};

}  // namespace semblance::service::testing
