// Available memory shrinks during a run: a smaller plan, the same bits.
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "core/messages.h"
#include "core/parallel.h"
#include "face/identity.h"
#include "memory/heap.h"
#include "pipeline/pipeline.h"
#include "tests/support/errors.h"
#include "tests/support/golden.h"
#include "tests/support/sanitized.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;
using testing::expect_error;

constexpr std::uint64_t kMib = 1 << 20;

/// A machine whose memory the test sets. The process appears to hold nothing, so the available
/// memory is all that it may hold.
class Replan : public ::testing::Test {
 protected:
  Replan() {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    root_ = fs::temp_directory_path() /
            (std::string("semblance_replan_") + test->name() + "_" + std::to_string(getpid()));
    fs::create_directories(root_ / "proc/self");
    std::ofstream(root_ / "proc/self/status")
        << "VmHWM: 0 kB\nVmRSS: 0 kB\nRssAnon: 0 kB\nRssFile: 0 kB\nRssShmem: 0 kB\n";
    available(kPlenty);
    request_.prompt = "a man in the snow";
    request_.width = 256;
    request_.height = 192;
    request_.steps = 6;
    request_.seed = 3;
    return_freed_memory();
  }
  ~Replan() override { fs::remove_all(root_); }

  static constexpr std::uint64_t kPlenty = 100000 * kMib;

  /// Total memory is twice the available memory, so the machine's reserve is 1/25 of the latter.
  void available(std::uint64_t bytes) const {
    std::ofstream(root_ / "proc/meminfo")
        << "MemTotal: " << bytes / 512 << " kB\nMemAvailable: " << bytes / 1024 << " kB\n";
  }
  /// Puts the process into a control group with this limit and no usage.
  void group(std::uint64_t limit) const {
    const fs::path folder = root_ / "sys/fs/cgroup/run";
    fs::create_directories(folder);
    const auto write = [&](const fs::path& path, const std::string& text) {
      std::ofstream(path) << text << '\n';
    };
    write(root_ / "proc/self/cgroup", "0::/run");
    write(root_ / "proc/self/mountinfo",
          "30 23 0:28 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw");
    write(folder / "memory.max", std::to_string(limit));
    write(folder / "memory.current", "0");
    write(folder / "memory.stat", "inactive_file 0\nactive_file 0");
  }
  static ModelPaths models() {
    const fs::path checkpoint = testing::golden_path("pipeline/fp16_published") / "checkpoint";
    return {checkpoint / "base", checkpoint / "identitynet", checkpoint / "ip-adapter.bin"};
  }
  Pipeline pipeline(std::optional<std::uint64_t> budget = {}, bool watches = true) const {
    PipelineOptions options{.precision = Precision::kF32};
    options.workspace.budget_bytes = budget;
    if (watches) options.workspace.meter = Meter(root_.string());
    return {models(), options};
  }
  Generation start(Pipeline& pipeline) const {
    const Identity person =
        read_identity(testing::golden_path("pipeline/fp16_published/plain") / "identity.json");
    return pipeline.start(request_, person.embedding,
                          scale_keypoints(person, {request_.width, request_.height}));
  }
  std::vector<float> latent_without_limit() const {
    Pipeline free = pipeline({}, false);
    Generation generation = start(free);
    while (generation.next()) {
    }
    EXPECT_EQ(generation.planned_bytes(), 0U);
    return generation.latent();
  }

  fs::path root_;
  Request request_;
};

TEST_F(Replan, ContinuesWithASmallerPlanToTheSameBits) {
  if (testing::kSanitized) GTEST_SKIP() << "the sanitizer uses more memory than the plan";
  const std::vector<float> whole = latent_without_limit();
  Pipeline watching = pipeline();
  Generation generation = start(watching);
  generation.next();
  EXPECT_TRUE(generation.take_news().empty());
  std::uint64_t planned = generation.planned_bytes();
  int smaller = 0;
  for (const double share : {0.97, 0.9, 0.8}) {
    const auto bytes = static_cast<std::uint64_t>(static_cast<double>(planned) * share);
    available(bytes);
    try {
      generation.next();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kMemory) << error.what();
      break;
    }
    const std::vector<std::string> news = generation.take_news();
    ASSERT_EQ(news.size(), 1U);
    EXPECT_TRUE(news[0].starts_with("available memory shrank to ")) << news[0];
    EXPECT_LE(generation.planned_bytes(), bytes);
    planned = generation.planned_bytes();
    ++smaller;
  }
  EXPECT_GE(smaller, 1);
  available(kPlenty);
  while (generation.next()) EXPECT_TRUE(generation.take_news().empty());
  EXPECT_EQ(generation.latent(), whole);
}

TEST_F(Replan, StopsWhenNothingFitsAndContinuesLater) {
  const std::vector<float> whole = latent_without_limit();
  for (const bool by_group : {false, true}) {
    const auto set = [&](std::uint64_t bytes) { by_group ? group(bytes) : available(bytes); };
    set(kPlenty);
    Pipeline watching = pipeline();
    Generation generation = start(watching);
    generation.next();
    generation.next();
    set(20 * kMib);
    expect_error(ErrorKind::kMemory, "cannot continue: the rest needs at least ",
                 [&] { generation.next(); });
    expect_error(ErrorKind::kMemory, ", 20 MiB available", [&] { generation.next(); });
    EXPECT_EQ(generation.step(), 2);
    const SavedRun saved = generation.saved();
    set(kPlenty);
    while (generation.next()) {
    }
    EXPECT_EQ(generation.latent(), whole);
    Pipeline other = pipeline();
    Generation resumed = other.resume(saved);
    while (resumed.next()) {
    }
    EXPECT_EQ(resumed.latent(), whole);
  }
}

TEST_F(Replan, KeepsToABudgetBelowTheAvailableMemory) {
  Pipeline watching = pipeline(4000 * kMib);
  Generation generation = start(watching);
  generation.next();
  const std::uint64_t planned = generation.planned_bytes();
  EXPECT_LE(planned, 4000 * kMib);
  available(kPlenty / 2);
  generation.next();
  EXPECT_TRUE(generation.take_news().empty());
  EXPECT_EQ(generation.planned_bytes(), planned);
}

TEST_F(Replan, DecodesInLessMemory) {
  Pipeline watching = pipeline();
  request_.steps = 1;
  Generation generation = start(watching);
  generation.next();
  const Image whole = generation.decode();
  // Finds the minimum in steps of 2 MiB.
  std::uint64_t bytes = 20 * kMib;
  for (;; bytes += 2 * kMib) {
    available(bytes);
    try {
      EXPECT_TRUE(std::ranges::equal(generation.decode().pixels(), whole.pixels())) << bytes;
      break;
    } catch (const Error& error) {
      ASSERT_EQ(error.kind(), ErrorKind::kMemory) << error.what();
      EXPECT_TRUE(
          std::string(error.what()).starts_with("cannot continue: the rest needs at least "))
          << error.what();
    }
    ASSERT_LT(bytes, 4000 * kMib);
  }
}

TEST_F(Replan, SpeaksSpanish) {
  Pipeline watching = pipeline();
  Generation generation = start(watching);
  generation.next();
  available(20 * kMib);
  set_language(Language::kSpanish);
  expect_error(ErrorKind::kMemory, "no se puede seguir: el resto necesita al menos ",
               [&] { generation.next(); });
  set_language(Language::kEnglish);
}

}  // namespace
}  // namespace semblance
