#include "runtime/scratch_mover.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <random>

#include "core/error.h"
#include "memory/buffer.h"
#include "runtime/news_test.h"
#include "runtime/trace.h"
#include "tests/support/errors.h"

namespace semblance {
namespace {

using namespace std::chrono_literals;
using testing::error_of;

/// A scratch file in memory, optionally slow; full beyond its last byte.
class MemoryScratch : public Scratch {
 public:
  explicit MemoryScratch(std::size_t bytes, std::chrono::milliseconds delay = 0ms)
      : bytes_(bytes), delay_(delay) {}
  const std::string& name() const override { return name_; }
  std::uint64_t size() const override { return bytes_.size(); }
  void write(std::uint64_t offset, std::span<const std::byte> src) override {
    if (delay_ > 0ms) std::this_thread::sleep_for(delay_);
    if (offset + src.size() > bytes_.size()) {
      fail(ErrorKind::kDevice, "cannot write /var/tmp/scratch: No space left on device");
    }
    std::copy(src.begin(), src.end(), bytes_.begin() + static_cast<std::ptrdiff_t>(offset));
  }
  void read(std::uint64_t offset, std::span<std::byte> dst) const override {
    if (delay_ > 0ms) std::this_thread::sleep_for(delay_);
    if (offset + dst.size() > bytes_.size()) {
      fail(ErrorKind::kDevice, "cannot read /var/tmp/scratch: Input/output error");
    }
    std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(offset), dst.size(), dst.begin());
  }

 private:
  std::string name_ = "/var/tmp/scratch";
  std::vector<std::byte> bytes_;
  std::chrono::milliseconds delay_;
};

TEST(ScratchMover, MovesInOrder) {
  constexpr std::size_t kValue = 4096;
  MemoryScratch scratch(16 * kValue);
  Buffer values(32 * kValue, Tag::kActivations);
  std::mt19937 engine(3);
  ScratchMover mover(scratch, 4);
  mover.start();
  // Reuses the same places of the file and of the arena, so that only the right order works.
  ScratchMover::Ticket last = 0;
  for (int round = 0; round < 200; ++round) {
    const std::size_t place = engine() % 16;
    const auto value = values.bytes().subspan(place * kValue, kValue);
    const auto back = values.bytes().subspan((16 + engine() % 16) * kValue, kValue);
    const auto byte = static_cast<std::byte>(engine());
    mover.wait(last);
    std::fill(value.begin(), value.end(), byte);
    mover.enqueue_write(place * kValue, value);
    last = mover.enqueue_read(place * kValue, back);
    if (round % 3 == 0) {
      mover.wait(last);
      ASSERT_TRUE(std::all_of(back.begin(), back.end(), [&](std::byte b) { return b == byte; }));
    }
  }
  mover.wait(last);
  EXPECT_EQ(mover.counts().bytes_written, 200 * kValue);
  EXPECT_EQ(mover.counts().bytes_read, 200 * kValue);
}

TEST(ScratchMover, MovesLargeValuesInPieces) {
  constexpr std::size_t kBytes = (9 << 20) + 5;
  MemoryScratch scratch(kBytes + 7);
  Buffer there(kBytes, Tag::kActivations), back(kBytes, Tag::kActivations);
  for (std::size_t i = 0; i < kBytes; ++i)
    there.data()[i] = static_cast<std::byte>(i * 40503U >> 7);
  ScratchMover mover(scratch);
  mover.start();
  mover.enqueue_write(7, there.bytes());
  mover.wait(mover.enqueue_read(7, back.bytes()));
  EXPECT_EQ(std::memcmp(there.data(), back.data(), kBytes), 0);
  mover.wait(mover.enqueue_write(3, {}));
  mover.wait(0);
}

TEST(ScratchMover, AllocatesNothingAndCountsWaiting) {
  MemoryScratch scratch(1000, 5ms);
  Buffer value(1000, Tag::kActivations);
  Trace trace(100);
  ScratchMover mover(scratch, 2, &trace);
  const int before = testing::allocation_count();
  mover.start();
  ScratchMover::Ticket last = 0;
  for (int i = 0; i < 6; ++i) last = mover.enqueue_write(0, value.bytes());
  mover.wait(last);
  EXPECT_EQ(testing::allocation_count(), before);
  EXPECT_GE(mover.counts().wait_seconds, 0.015);
  EXPECT_GE(mover.counts().busy_seconds, 0.03);
}

TEST(ScratchMover, RethrowsAFileErrorOnceAndCanStartAgain) {
  MemoryScratch scratch(1000);
  Buffer value(600, Tag::kActivations);
  ScratchMover mover(scratch);
  for (int i = 0; i < 3; ++i) {
    mover.start();
    const auto good = mover.enqueue_write(0, value.bytes());
    const auto bad = mover.enqueue_write(500, value.bytes());
    const auto never = mover.enqueue_write(0, value.bytes());
    mover.wait(good);
    EXPECT_EQ(error_of([&] { mover.wait(i == 0 ? bad : never); }),
              "device: cannot write /var/tmp/scratch: No space left on device");
    EXPECT_EQ(mover.counts().bytes_written, static_cast<std::uint64_t>(600 * (i + 1)));
  }
  mover.start();
  const auto read = mover.enqueue_read(900, value.bytes());
  EXPECT_EQ(error_of([&] { mover.wait(read); }),
            "device: cannot read /var/tmp/scratch: Input/output error");
}

TEST(ScratchMover, AFullQueueDoesNotHideAnError) {
  MemoryScratch scratch(100, 2ms);
  Buffer value(101, Tag::kActivations);
  ScratchMover mover(scratch, 2);
  mover.start();
  EXPECT_EQ(error_of([&] {
              for (int i = 0; i < 100; ++i) mover.enqueue_write(0, value.bytes());
            }),
            "device: cannot write /var/tmp/scratch: No space left on device");
}

TEST(ScratchMover, MovesThroughARealFile) {
  constexpr std::size_t kBytes = (5 << 20) + 4096;
  ScratchFile file(std::filesystem::temp_directory_path(), 2 * kBytes);
  Buffer there(kBytes, Tag::kActivations), back(kBytes, Tag::kActivations);
  for (std::size_t i = 0; i < kBytes; ++i)
    there.data()[i] = static_cast<std::byte>(i * 40503U >> 7);
  ScratchMover mover(file);
  mover.start();
  mover.enqueue_write(kBytes, there.bytes());
  mover.wait(mover.enqueue_read(kBytes, back.bytes()));
  EXPECT_EQ(std::memcmp(there.data(), back.data(), kBytes), 0);
}

TEST(ScratchMover, CanBeDestroyedInTheMiddle) {
  MemoryScratch scratch(64 << 20, 10ms);
  Buffer value(64 << 20, Tag::kActivations);
  const double begin = Trace::now();
  for (int i = 0; i < 3; ++i) {
    ScratchMover mover(scratch);
    mover.start();
    for (int j = 0; j < 50; ++j) mover.enqueue_write(0, value.bytes());
    if (i == 1) mover.stop();
    if (i == 2) mover.start();
  }
  EXPECT_LT(Trace::now() - begin, 3.0);
}

TEST(ScratchMover, StopsOnRequestAndCanRunAgain) {
  MemoryScratch scratch(64 << 20, 10ms);
  Buffer value(64 << 20, Tag::kActivations);
  ScratchMover mover(scratch);
  for (const auto delay : {0ms, 20ms}) {
    std::stop_source stop;
    mover.start(stop.get_token());
    std::thread other([&] {
      std::this_thread::sleep_for(delay);
      stop.request_stop();
    });
    EXPECT_EQ(error_of([&] {
                for (int i = 0; i < 20; ++i) mover.wait(mover.enqueue_write(0, value.bytes()));
              }),
              "cancelled: cancelled");
    other.join();
  }
  mover.start();
  mover.wait(mover.enqueue_write(0, value.bytes().first(100)));
}

}  // namespace
}  // namespace semblance
