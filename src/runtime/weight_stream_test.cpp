#include "runtime/weight_stream.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <random>

#include "runtime/news_test.h"
#include "runtime/trace.h"
#include "tests/support/errors.h"
#include "tests/support/failing_file.h"
#include "tests/support/slow_file.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using testing::error_of;
using testing::FailingFile;
using testing::SlowFile;
using Chunk = WeightStream::Chunk;

std::vector<std::byte> numbers(std::size_t count) {
  std::vector<std::byte> bytes(count);
  for (std::size_t i = 0; i < count; ++i) bytes[i] = static_cast<std::byte>(i * 2654435761U >> 13);
  return bytes;
}

/// Consecutive chunks of a file, and checks that they arrive.
class Pass {
 public:
  Pass(std::shared_ptr<const File> file, const std::vector<std::uint64_t>& sizes)
      : expected_(numbers(file->size())) {
    std::uint64_t offset = 0;
    for (std::uint64_t size : sizes) {
      // Two ranges, the later one first, like the halves of a GEGLU.
      const std::uint64_t half = size / 2;
      chunks_.push_back({fmt::format("weight{}", chunks_.size()),
                         {{file, offset + half, size - half}, {file, offset, half}}});
      offset += size;
    }
  }
  const std::vector<Chunk>& chunks() const { return chunks_; }
  void run(WeightStream& stream, std::chrono::microseconds work = 0us) const {
    for (std::size_t i = 0; i < chunks_.size(); ++i) {
      check(i, stream.wait(i));
      if (work > 0us) std::this_thread::sleep_for(work);
      stream.release(i);
    }
  }
  void check(std::size_t i, std::span<const std::byte> got) const {
    ASSERT_EQ(got.size(), chunks_[i].bytes());
    ASSERT_EQ(reinterpret_cast<std::uintptr_t>(got.data()) % 64, 0U);
    for (const WeightStream::Piece& piece : chunks_[i].pieces) {
      if (piece.bytes == 0) continue;
      ASSERT_EQ(std::memcmp(got.data(), expected_.data() + piece.offset, piece.bytes), 0) << i;
      got = got.subspan(piece.bytes);
    }
  }

 private:
  std::vector<std::byte> expected_;
  std::vector<Chunk> chunks_;
};

std::shared_ptr<const File> file_of(std::size_t bytes) {
  return memory_file("model.safetensors", numbers(bytes));
}

TEST(WeightStream, PlacesChunksConsecutivelyInTheRing) {
  const std::vector<std::uint64_t> sizes = {100, 64, 0, 500, 300};
  EXPECT_EQ(WeightStream::ring_places(sizes, 640), (std::vector<std::uint64_t>{0, 128, 192, 0, 0}));
  EXPECT_EQ(WeightStream::ring_places(sizes, 10000),
            (std::vector<std::uint64_t>{0, 128, 192, 256, 768}));
  EXPECT_TRUE(error_of([&] { WeightStream::ring_places(sizes, 499); }).starts_with("internal: "));
}

TEST(WeightStream, DeliversEveryByteForAnyRingAndReaders) {
  std::mt19937 engine(7);
  for (int round = 0; round < 30; ++round) {
    std::vector<std::uint64_t> sizes(1 + engine() % 40);
    std::uint64_t total = 0, largest = 0;
    for (std::uint64_t& size : sizes) {
      size = engine() % (engine() % 5 == 0 ? 40000 : 900);
      total += size, largest = std::max(largest, size);
    }
    const Pass pass(file_of(total), sizes);
    Buffer ring(largest + engine() % 20000, Tag::kStaging);
    WeightStream::Options options;
    options.readers = 1 + static_cast<int>(engine() % 3);
    options.read_bytes = 4096;
    options.cache = engine() % 2 == 0 ? WeightStream::Cache::kKeep : WeightStream::Cache::kPass;
    WeightStream stream(ring.bytes(), pass.chunks(), options);
    for (int i = 0; i < 3; ++i) {
      stream.start({}, i < 2);
      pass.run(stream);
    }
    EXPECT_GE(stream.counts().bytes_read, 3 * total);
  }
}

TEST(WeightStream, ReadsAheadOnlyIfCyclic) {
  const Pass pass(file_of(4000), {1000, 1000, 1000, 1000});
  Buffer ring(8192, Tag::kStaging);
  WeightStream stream(ring.bytes(), pass.chunks());
  stream.start();
  pass.run(stream);
  std::this_thread::sleep_for(20ms);
  EXPECT_EQ(stream.counts().bytes_read, 4000U);
  stream.start({}, true);
  pass.run(stream);
  for (int i = 0; i < 500 && stream.counts().bytes_read < 12000; ++i)
    std::this_thread::sleep_for(2ms);
  EXPECT_EQ(stream.counts().bytes_read, 12000U);  // the next pass has been read ahead
  stream.start();
  pass.run(stream);
  EXPECT_EQ(stream.counts().bytes_read, 12000U);
}

TEST(WeightStream, CanHoldChunksThatDoNotOverlap) {
  const Pass pass(file_of(3000), {1000, 1000, 1000});
  Buffer ring(2048, Tag::kStaging);
  WeightStream stream(ring.bytes(), pass.chunks());
  stream.start();
  const auto first = stream.wait(0);
  const auto second = stream.wait(1);
  pass.check(0, first);
  pass.check(1, second);
  EXPECT_EQ(error_of([&] { stream.wait(2); }),
            "internal: internal error: chunk 2 (weight2, 1000 bytes) overlaps an unreleased chunk "
            "in the ring");
  stream.release(1);
  stream.release(0);
  pass.check(2, stream.wait(2));
}

TEST(WeightStream, AllocatesNothingDuringAPass) {
  const Pass pass(file_of(400000), {100000, 200000, 100000});
  Buffer ring(256000, Tag::kStaging);
  Trace trace(100);
  WeightStream::Options options;
  options.read_bytes = 8192;
  options.trace = &trace;
  WeightStream stream(ring.bytes(), pass.chunks(), options);
  const int before = testing::allocation_count();
  for (int i = 0; i < 2; ++i) {
    stream.start({}, true);
    pass.run(stream);
  }
  stream.stop();
  EXPECT_EQ(testing::allocation_count(), before);
}

TEST(WeightStream, CountsHowLongTheConsumerWaited) {
  const Pass pass(std::make_shared<SlowFile>(file_of(3000), 10ms), {1000, 1000, 1000});
  Buffer ring(1024, Tag::kStaging);
  WeightStream::Options options;
  options.readers = 1;
  WeightStream stream(ring.bytes(), pass.chunks(), options);
  stream.start();
  pass.run(stream);
  EXPECT_GE(stream.counts().wait_seconds, 0.05);
  EXPECT_GE(stream.counts().busy_seconds, 0.05);
}

TEST(WeightStream, RethrowsAReadErrorOnceAndCanStartAgain) {
  for (const int readers : {1, 3}) {
    const Pass pass(std::make_shared<FailingFile>(file_of(6000), 4500),
                    {1000, 1000, 1000, 1000, 1000, 1000});
    Buffer ring(2048, Tag::kStaging);
    WeightStream::Options options;
    options.readers = readers;
    WeightStream stream(ring.bytes(), pass.chunks(), options);
    for (int i = 0; i < 3; ++i) {
      stream.start({}, true);
      EXPECT_EQ(error_of([&] { pass.run(stream); }),
                "device: cannot read model.safetensors: Input/output error");
      stream.release(0);  // too late, and harmless
    }
  }
}

TEST(WeightStream, CanBeDestroyedDuringASlowRead) {
  const Pass pass(std::make_shared<SlowFile>(file_of(300000), 20ms), {100000, 100000, 100000});
  Buffer ring(100032, Tag::kStaging);
  WeightStream::Options options;
  options.read_bytes = 4096;
  const double begin = Trace::now();
  for (int i = 0; i < 3; ++i) {
    WeightStream stream(ring.bytes(), pass.chunks(), options);
    stream.start({}, true);
    if (i == 1) stream.stop();
    if (i == 2) stream.start();
  }
  EXPECT_LT(Trace::now() - begin, 2.0);
}

TEST(WeightStream, StopsOnRequestAndCanRunAgain) {
  const auto opened = std::make_shared<SlowFile>(file_of(100000), 5ms);
  const Pass pass(opened, {50000, 50000});
  Buffer ring(50048, Tag::kStaging);
  WeightStream::Options options;
  options.read_bytes = 4096;
  WeightStream stream(ring.bytes(), pass.chunks(), options);
  for (const auto delay : {0ms, 3ms, 30ms}) {
    std::stop_source stop;
    stream.start(stop.get_token());
    std::thread other([&] {
      std::this_thread::sleep_for(delay);
      stop.request_stop();
    });
    EXPECT_EQ(error_of([&] {
                stream.wait(0);
                std::this_thread::sleep_for(60ms);
                stream.wait(1);  // would block: chunk 0 is held
              }),
              "cancelled: cancelled");
    other.join();
  }
  stream.start();
  pass.run(stream);
}

/// A file on disk that is changed in the middle of a pass.
class WeightFile : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(SEMBLANCE_SOURCE_DIR) / "build";
    if (access(folder_.c_str(), W_OK) != 0) folder_ = fs::temp_directory_path();
    path_ = folder_ / fmt::format("weights_{}.bin", getpid());
    OutputFile out(path_);
    out.write(numbers(kBytes));
    out.commit();
  }
  void TearDown() override { fs::remove(path_); }
  WeightStream::Options options() const {
    WeightStream::Options options;
    options.cache = WeightStream::Cache::kPass;
    options.read_bytes = 8192;
    return options;
  }
  static constexpr std::uint64_t kBytes = 1000003;
  fs::path folder_, path_;
  Buffer ring_{400000, Tag::kStaging};
};

TEST_F(WeightFile, IsReadPastThePageCache) {
  const std::vector<std::uint64_t> sizes = {300001, 399999, 300003};
  for (const bool cached : {false, true}) {
    const auto file = open_file(path_);
    const Pass pass(file, sizes);
    WeightStream stream(ring_.bytes(), pass.chunks(), options());
    if (!cached) file->done_with(0, kBytes);
    stream.start();
    pass.run(stream);
  }
}

TEST_F(WeightFile, CanBeReplacedUnderItsName) {
  const Pass pass(open_file(path_), {300001, 399999, 300003});
  WeightStream stream(ring_.bytes(), pass.chunks(), options());
  OutputFile other(path_);
  other.write("other");
  other.commit();
  stream.start();
  pass.run(stream);
}

TEST_F(WeightFile, MustNotShrink) {
  for (const auto cache : {WeightStream::Cache::kKeep, WeightStream::Cache::kPass}) {
    SetUp();
    const Pass pass(open_file(path_), {300001, 399999, 300003});
    WeightStream::Options options = this->options();
    options.cache = cache;
    WeightStream stream(ring_.bytes(), pass.chunks(), options);
    fs::resize_file(path_, 5);
    stream.start();
    EXPECT_EQ(error_of([&] { pass.run(stream); }),
              fmt::format("corrupt: cannot read {}: it became shorter than 1000003 bytes while it "
                          "was read",
                          path_.string()));
  }
}

TEST_F(WeightFile, MustNotBeOverwritten) {
  const Pass pass(open_file(path_), {300001, 399999, 300003});
  WeightStream stream(ring_.bytes(), pass.chunks(), options());
  std::this_thread::sleep_for(20ms);  // file timestamps are coarse
  const int descriptor = open(path_.c_str(), O_WRONLY);
  ASSERT_EQ(pwrite(descriptor, "x", 1, 900000), 1);
  close(descriptor);
  stream.start();
  EXPECT_EQ(
      error_of([&] { pass.run(stream); }),
      fmt::format("corrupt: cannot read {}: it was written to while it was read", path_.string()));
}

TEST(WeightStream, TracesItsReads) {
  const Pass pass(file_of(3000), {1000, 1000, 1000});
  Buffer ring(4096, Tag::kStaging);
  Trace trace(100);
  WeightStream::Options options;
  options.trace = &trace;
  {
    WeightStream stream(ring.bytes(), pass.chunks(), options);
    stream.start();
    pass.run(stream);
  }
  const std::string json = trace.to_json();
  for (const char* name : {"weight0", "weight1", "weight2"})
    EXPECT_NE(json.find(name), std::string::npos) << name;
}

}  // namespace
}  // namespace semblance
