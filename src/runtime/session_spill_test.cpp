// Sessions in little memory: random graphs with spilled values and streamed weights give the same
// bits as without a limit, and a session can run again after a failed run.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <random>
#include <thread>

#include "backend/backends.h"
#include "core/convert.h"
#include "core/integers.h"
#include "planner/random_graph_test.h"
#include "runtime/news_test.h"
#include "runtime/session_inputs_test.h"
#include "tests/support/copying_backend.h"
#include "tests/support/errors.h"
#include "tests/support/sanitized.h"

namespace semblance {
namespace {

using testing::expect_error;

std::vector<float> noise(std::int64_t count, unsigned seed, float scale) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> values(-scale, scale);
  std::vector<float> result(at(count));
  for (float& value : result) value = values(random);
  return result;
}

/// A file with one failing read.
class OnceFailingFile final : public File {
 public:
  OnceFailingFile(std::shared_ptr<const File> file, std::shared_ptr<std::atomic<int>> good_reads)
      : file_(std::move(file)), good_reads_(std::move(good_reads)) {}
  const std::string& name() const override { return file_->name(); }
  std::uint64_t size() const override { return file_->size(); }
  void read(std::uint64_t offset, std::span<std::byte> dst) const override {
    if ((*good_reads_)-- == 0)
      fail(ErrorKind::kDevice, "cannot read {}: Input/output error", name());
    file_->read(offset, dst);
  }

 private:
  std::shared_ptr<const File> file_;
  std::shared_ptr<std::atomic<int>> good_reads_;  // of all files
};

/// A scratch file with one failing call; reads and writes are counted together.
class OnceFailingScratch final : public Scratch {
 public:
  OnceFailingScratch(std::unique_ptr<Scratch> scratch, std::shared_ptr<std::atomic<int>> good_calls)
      : scratch_(std::move(scratch)), good_calls_(std::move(good_calls)) {}
  const std::string& name() const override { return scratch_->name(); }
  std::uint64_t size() const override { return scratch_->size(); }
  void write(std::uint64_t offset, std::span<const std::byte> src) override {
    if ((*good_calls_)-- == 0)
      fail(ErrorKind::kDevice, "cannot write {}: No space left on device", name());
    scratch_->write(offset, src);
  }
  void read(std::uint64_t offset, std::span<std::byte> dst) const override {
    if ((*good_calls_)-- == 0)
      fail(ErrorKind::kDevice, "cannot read {}: Input/output error", name());
    scratch_->read(offset, dst);
  }

 private:
  std::unique_ptr<Scratch> scratch_;
  std::shared_ptr<std::atomic<int>> good_calls_;
};

/// Counts down to a failure; initially there is none.
std::shared_ptr<std::atomic<int>> countdown() { return std::make_shared<std::atomic<int>>(-1); }

/// A random graph, its weights in one file each, what is added to every second one, and its inputs'
/// values.
class Subject {
 public:
  Subject(unsigned seed, const Backend& backend, const testing::RandomSizes& sizes)
      : backend_(backend), graph_(testing::random_graph(seed, sizes)) {
    for (const ValueInfo& value : graph_.values()) {
      if (value.kind != ValueKind::kWeight || weights_.find(value.name) != nullptr) continue;
      const std::int64_t count = value.type.shape.elements();
      std::vector<std::byte> bytes(value.type.bytes());
      // Some are variances of a BatchNorm, which must not be negative.
      std::vector<float> values = noise(count, seed + static_cast<unsigned>(weights_.size()), 0.3F);
      if (value.type.shape.rank() == 1)
        for (float& number : values) number = std::abs(number) + 0.1F;
      from_f32(values, value.type.dtype, bytes);
      if (weights_.size() % 2 == 0 && value.type.shape.rank() > 1)
        patch(value.name, value.type.shape);
      weights_.add(value.name, {value.type.dtype, value.type.shape,
                                std::make_shared<OnceFailingFile>(
                                    memory_file(value.name, std::move(bytes)), good_reads_),
                                0});
    }
    EXPECT_FALSE(patches_.empty());
  }

  const Graph& graph() const { return graph_; }
  std::atomic<int>& good_reads() { return *good_reads_; }
  std::atomic<int>& good_calls() { return *good_calls_; }

  SessionOptions options(std::uint64_t memory_bytes, bool keeps) const {
    SessionOptions options;
    options.fit.memory_bytes = memory_bytes;
    options.fit.may_spill = true;
    options.fit.keep_weights = keeps;
    if (keeps) options.fit.steady_inputs = {"time", "context", "control"};
    if (&backend_.device() != &host_device()) {
      options.fit.rates.upload = 1e9;
      if (keeps) options.fit.host_bytes = std::uint64_t{1} << 30;
    }
    options.scratch = [good = good_calls_](std::uint64_t bytes) -> std::unique_ptr<Scratch> {
      return std::make_unique<OnceFailingScratch>(
          std::make_unique<ScratchFile>(choose_scratch_folder({}), bytes), good);
    };
    return options;
  }
  std::uint64_t least(bool keeps = false) const {
    const SecondsOf seconds;
    KernelNeeds kernels(backend_, view(), seconds);
    return least_memory(
        graph_, [&](const Graph& g, const Node& node) { return kernels.of(g, node); },
        options(0, keeps).fit);
  }
  Session session(const SessionOptions& options) const {
    Session session(graph_, backend_, view(), options);
    testing::set_random_inputs(session, graph_);
    return session;
  }
  std::vector<std::vector<std::byte>> outputs(const Session& session) const {
    std::vector<std::vector<std::byte>> outputs;
    for (const auto& [name, id] : graph_.outputs()) {
      const std::span<const std::byte> bytes = session.output(name);
      std::vector<float> values(at(graph_.type(id).shape.elements()));
      to_f32(graph_.type(id).dtype, bytes, values);
      EXPECT_TRUE(std::ranges::all_of(values, [](float value) { return std::isfinite(value); }));
      outputs.emplace_back(bytes.begin(), bytes.end());
    }
    return outputs;
  }
  std::vector<std::vector<std::byte>> run(const SessionOptions& options) const {
    Session session = this->session(options);
    session.run();
    return outputs(session);
  }

 private:
  WeightView view() const { return {weights_, &patches_}; }
  StoredTensor factor(const Shape& shape) {
    std::vector<std::byte> bytes(at(shape.elements()) * 2);
    from_f32(noise(shape.elements(), static_cast<unsigned>(shape.elements()), 0.2F), DType::kF16,
             bytes);
    return {DType::kF16, shape,
            std::make_shared<OnceFailingFile>(memory_file("factor", std::move(bytes)), good_reads_),
            0};
  }
  void patch(const std::string& name, const Shape& shape) {
    constexpr std::int64_t kRank = 3;
    const std::int64_t columns = shape.elements_from(1);
    patches_[name].push_back(
        {.scale = 0.5F,
         .first = {.tensors = {factor({shape[0], kRank}), factor({kRank, columns})},
                   .rows = shape[0],
                   .columns = columns,
                   .rank = kRank}});
  }

  const Backend& backend_;
  Graph graph_;
  WeightMap weights_;
  WeightPatches patches_;
  std::shared_ptr<std::atomic<int>> good_reads_ = countdown();
  std::shared_ptr<std::atomic<int>> good_calls_ = countdown();
};

class SpillingSession : public ::testing::TestWithParam<const char*> {
 protected:
  const Backend& backend() const { return backend_by_name(GetParam()); }
  /// A graph that spills in little memory.
  std::unique_ptr<Subject> spilling() const {
    for (unsigned seed = 200;; ++seed) {
      auto subject = std::make_unique<Subject>(seed, backend(), sizes());
      if (subject->session(subject->options(subject->least(), false)).plan().file_bytes > 0)
        return subject;
    }
  }
  /// Large pictures with few channels, so that values are larger than weights.
  testing::RandomSizes sizes() const {
    if (is_slow()) return {.largest_side = 48, .channel_step = 16, .blocks = 1};
    return {.largest_side = 96, .channel_step = 16, .blocks = 3};
  }
  int graphs() const { return testing::kSanitized ? 1 : is_slow() ? 2 : 6; }
  bool is_slow() const { return &backend() == &reference_backend(); }
};

TEST_P(SpillingSession, GivesTheSameBitsInAnyMemory) {
  int spilled = 0;
  std::ptrdiff_t ahead = 0;
  int in_memory = 0;
  for (int i = 0; i < graphs(); ++i) {
    const auto seed = static_cast<unsigned>(100 + i);
    SCOPED_TRACE(seed);
    const Subject subject(seed, backend(), sizes());
    SessionOptions unlimited;
    const auto whole = subject.run(unlimited);
    const std::uint64_t least = subject.least();
    const std::uint64_t most = subject.session(unlimited).plan().memory_bytes();
    std::mt19937 random(seed);
    for (int budget = 0; budget < 4; ++budget) {
      const bool keeps = random() % 2 == 0;
      const std::uint64_t bytes =
          budget == 0 || most <= least ? subject.least(keeps) : least + random() % (most - least);
      SCOPED_TRACE(bytes);
      const SessionOptions options = subject.options(bytes, keeps);
      Session session = subject.session(options);
      const Plan& plan = session.plan();
      EXPECT_LE(options.fit.host_bytes ? plan.places_bytes() : plan.memory_bytes(), bytes);
      in_memory += plan.file_in_memory && plan.file_bytes > 0 ? 1 : 0;
      spilled += session.plan().file_bytes > 0;
      ahead += std::ranges::count_if(session.plan().weights, [](const WeightUse& use) {
        return use.loaded_from < use.first_node;
      });
      for (int run = 0; run < 2; ++run) {
        session.run();
        EXPECT_TRUE(subject.outputs(session) == whole) << "run " << run;
      }
    }
  }
  if (&backend() == &testing::copying_backend() && !testing::kSanitized) {
    EXPECT_GT(ahead, 0);
    EXPECT_GT(in_memory, 0);
  }
  EXPECT_GE(spilled, testing::kSanitized ? 0 : is_slow() ? 1 : graphs() / 2);
  RecordProperty("spilled", spilled);
}

/// Tests that do not depend on the backend, run with the fast one.
class FailingSession : public SpillingSession {};

TEST_P(FailingSession, CanRunAgainAfterAScratchFileError) {
  const std::unique_ptr<Subject> subject = spilling();
  const auto whole = subject->run({});
  for (const bool keeps : {false, true}) {
    Session session = subject->session(subject->options(subject->least(), keeps));
    ASSERT_GT(session.plan().file_bytes, 0U);
    constexpr int kMany = 1 << 30;
    subject->good_calls() = kMany;
    session.run();
    const int calls = kMany - subject->good_calls();
    ASSERT_GE(calls, 2);
    for (const int good : {0, 1, calls / 2, calls - 1}) {
      subject->good_calls() = good;
      const std::string text =
          expect_error(ErrorKind::kDevice, "the scratch file in ", [&] { session.run(); });
      EXPECT_EQ(text.find('\n'), std::string::npos) << text;
      session.run();
      EXPECT_TRUE(subject->outputs(session) == whole) << good;
    }
  }
}

TEST_P(FailingSession, CanRunAgainAfterAWeightReadError) {
  const std::unique_ptr<Subject> subject = spilling();
  const auto whole = subject->run({});
  for (const bool keeps : {false, true}) {
    for (const int good : {0, 1, 4, 9}) {
      // Weights that stay are read only in the first run.
      Session session = subject->session(subject->options(subject->least(), keeps));
      subject->good_reads() = good;
      expect_error(ErrorKind::kDevice, "Input/output error", [&] { session.run(); });
      for (int run = 0; run < 2; ++run) {
        session.run();
        EXPECT_TRUE(subject->outputs(session) == whole) << good;
      }
    }
  }
}

TEST_P(FailingSession, CanRunAgainAfterAStopAnywhere) {
  const std::unique_ptr<Subject> subject = spilling();
  const auto whole = subject->run({});
  Session session = subject->session(subject->options(subject->least(), true));
  const auto begin = std::chrono::steady_clock::now();
  session.run();
  const std::chrono::duration<double> takes = std::chrono::steady_clock::now() - begin;
  int cancelled = 0;
  for (int i = 0; i < 20; ++i) {
    std::stop_source stop;
    std::thread other([&] {
      std::this_thread::sleep_for(takes * i / 20);
      stop.request_stop();
    });
    const std::string text = testing::error_of([&] { session.run(stop.get_token()); });
    other.join();
    EXPECT_TRUE(text == "cancelled: cancelled" || text == "no error") << text;
    cancelled += text != "no error";
    if (i % 5 > 0) continue;  // so several stops come in a row
    session.run();
    EXPECT_TRUE(subject->outputs(session) == whole) << i;
  }
  EXPECT_GT(cancelled, 0);
}

TEST_P(SpillingSession, AllocatesNothingInARun) {
  if (testing::kSanitized)
    GTEST_SKIP() << "sanitizer builds start new threads for every parallel region";
  if (&backend() != &reference_backend())
    GTEST_SKIP() << "allocation_test counts allocations of our code apart from oneDNN's";
  const std::unique_ptr<Subject> subject = spilling();
  for (const bool keeps : {false, true}) {
    Session session = subject->session(subject->options(subject->least() * 5 / 4, keeps));
    session.run();
    session.run();
    const int before = testing::allocation_count();
    session.run();
    EXPECT_EQ(testing::allocation_count(), before) << keeps;
  }
}

/// A full disk is reported before anything is computed.
TEST_P(FailingSession, ReportsAFullDisk) {
  const std::unique_ptr<Subject> subject = spilling();
  SessionOptions options = subject->options(subject->least(), false);
  options.scratch = [](std::uint64_t bytes) -> std::unique_ptr<Scratch> {
    ScratchCalls calls = ScratchCalls::system();
    calls.reserve = [](int, int, off_t, off_t) {
      errno = ENOSPC;
      return -1;
    };
    return std::make_unique<ScratchFile>(choose_scratch_folder({}), bytes, calls);
  };
  expect_error(ErrorKind::kDevice, "No space left on device", [&] { subject->session(options); });
}

INSTANTIATE_TEST_SUITE_P(Backends, FailingSession, ::testing::Values("cpu"),
                         [](const auto& info) { return std::string(info.param); });
INSTANTIATE_TEST_SUITE_P(Backends, SpillingSession,
                         ::testing::Values("ref", "cpu", testing::copying_backend().name().data()),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace semblance
