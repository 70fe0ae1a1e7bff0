#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <vector>

#include "memory/buffer.h"
#include "memory/file.h"
#include "memory/heap.h"
#include "memory/meter.h"
#include "memory/page_cache.h"
#include "tests/support/errors.h"
#include "tests/support/sanitized.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;
using testing::error_of;

class Folder : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = fs::temp_directory_path() / ("semblance_memory_" + std::to_string(getpid()));
    fs::create_directories(path_);
  }
  void TearDown() override { fs::remove_all(path_); }
  fs::path path_;
};

TEST(Buffer, IsCountedUnderItsTag) {
  const auto before = count_of(Tag::kImage).bytes;
  {
    Buffer small(100, Tag::kImage);
    Buffer large(1 << 20, Tag::kImage);
    Buffer moved = std::move(large);
    EXPECT_EQ(count_of(Tag::kImage).bytes, before + 100 + (1 << 20));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(small.data()) % 64, 0U);
    EXPECT_EQ(moved.bytes()[12345], std::byte{0});
  }
  EXPECT_EQ(count_of(Tag::kImage).bytes, before);
  EXPECT_GE(count_of(Tag::kImage).peak_bytes, std::uint64_t{1} << 20);
}

TEST(Buffer, KeepsItsFirstBytesWhenResized) {
  const std::uint64_t before = count_of(Tag::kImage).bytes;
  const std::size_t sizes[] = {0, 100, 70'000, 3'000'000, 5'000'000, 66'000, 10, 1'000'000};
  Buffer buffer(sizes[0], Tag::kImage);
  for (const std::size_t size : sizes) {
    const std::size_t kept = std::min(size, buffer.size());
    for (std::size_t i = 0; i < kept; ++i) buffer.data()[i] = static_cast<std::byte>(i % 251);
    buffer.resize(size);
    ASSERT_EQ(buffer.size(), size);
    EXPECT_EQ(count_of(Tag::kImage).bytes, before + size);
    for (std::size_t i = 0; i < kept; ++i)
      ASSERT_EQ(buffer.data()[i], static_cast<std::byte>(i % 251)) << i << " of " << size;
    if (size > 0) buffer.bytes().back() = std::byte{1};
  }
  EXPECT_NE(error_of([&] { buffer.resize(std::size_t{1} << 60); }).find("out of memory"),
            std::string::npos);
  EXPECT_EQ(buffer.size(), 1'000'000);
}

TEST(Buffer, ReportsEveryUsedTag) {
  const Buffer held(1000, Tag::kRing);
  { Buffer gone(5000, Tag::kResult); }
  std::string names;
  for (const TagReport& each : tag_report()) {
    names += std::string(name_of(each.tag)) + ' ';
    EXPECT_GT(each.count.peak_bytes, 0U);
  }
  EXPECT_EQ(count_of(Tag::kRing).bytes, 1000U);
  EXPECT_GE(count_of(Tag::kResult).peak_bytes, 5000U);
  EXPECT_NE(names.find("ring "), std::string::npos);
  EXPECT_NE(names.find("result "), std::string::npos);
}

TEST(Heap, ReturnsFreedMemory) {
  if (testing::kSanitized) GTEST_SKIP() << "a sanitizer has its own heap";
  return_freed_memory();
  const Meter meter;
  const auto before = meter.process().resident_bytes;
  {
    // Blocks too small to be mapped. The last one is kept, so the heap's end cannot shrink.
    std::vector<std::unique_ptr<std::byte[]>> blocks;
    for (int i = 0; i < 1000; ++i) {
      blocks.push_back(std::make_unique<std::byte[]>(64 * 1024));
    }
    auto last = std::move(blocks.back());
    blocks.clear();
    trim_heap();
    EXPECT_LT(meter.process().resident_bytes, before + (8 << 20));
  }
}

TEST(Buffer, FailsWhenOutOfMemory) {
  EXPECT_NE(error_of([] { Buffer(std::size_t{1} << 60, Tag::kWeights); }).find("out of memory"),
            std::string::npos);
}

TEST(SyncFolder, NamesAFolderItCannotOpen) {
  sync_folder(std::filesystem::temp_directory_path());
  testing::expect_error(ErrorKind::kDevice, "cannot write /none: No such file or directory",
                        [] { sync_folder("/none"); });
}

TEST_F(Folder, ReadsByRangeAndRefusesBeyondTheEnd) {
  const fs::path path = path_ / "in.bin";
  OutputFile out(path);
  out.write("0123456789");
  out.commit();
  const auto file = open_file(path);
  std::array<std::byte, 4> four{};
  file->read(3, four);
  EXPECT_EQ(four[0], std::byte{'3'});
  EXPECT_NE(error_of([&] { file->read(7, four); }).find("the file has 10"), std::string::npos);
  EXPECT_NE(error_of([&] { file->read(~std::uint64_t{0}, four); }).find("the file has 10"),
            std::string::npos);
  fs::resize_file(path, 5);
  EXPECT_NE(error_of([&] { file->read(3, four); }).find("became shorter"), std::string::npos);
  EXPECT_NE(error_of([&] { open_file(path_ / "none"); }).find("No such file"), std::string::npos);
  EXPECT_NE(error_of([&] { open_file(path_); }).find("got a folder"), std::string::npos);
  EXPECT_NE(error_of([&] { read_small_file(path, 2); }).find("at most 2 bytes"), std::string::npos);
}

TEST_F(Folder, ReportsTheCachedShareOfAFile) {
  const fs::path path = path_ / "in.bin";
  {
    OutputFile out(path);
    const std::vector<std::byte> piece(1 << 20, std::byte{5});
    for (int i = 0; i < 8; ++i) out.write(piece);
    out.commit();  // written to the disk, so that it can be dropped
  }
  const auto file = open_file(path);
  std::vector<std::byte> all(file->size());
  file->read(0, all);
  EXPECT_GT(file->cached_share(), 0.95);
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  EXPECT_GT(cached_share_sampled(descriptor, file->size()), 0.95);
  file->done_with(0, file->size() / 2);
  const double half = file->cached_share();
  if (half > 0.95) {
    close(descriptor);
    GTEST_SKIP() << "the file system does not drop cached pages";
  }
  EXPECT_NEAR(half, 0.5, 0.05);
  EXPECT_NEAR(cached_share_sampled(descriptor, file->size()), 0.5, 0.1);
  close(descriptor);
  EXPECT_EQ(memory_file("m", {std::byte{1}})->cached_share(), 1.0);
}

TEST_F(Folder, ReadsPastThePageCache) {
  constexpr std::size_t kBytes = 300001;
  std::vector<std::byte> bytes(kBytes);
  for (std::size_t i = 0; i < kBytes; ++i) bytes[i] = static_cast<std::byte>(i * 40503U >> 7);
  const fs::path path = path_ / "in.bin";
  OutputFile out(path);
  out.write(bytes);
  out.commit();
  const auto file = open_file(path);
  Buffer staging(65536, Tag::kStaging);
  for (const bool cached : {false, true}) {
    if (!cached) file->done_with(0, kBytes);
    for (const auto& [offset, count] : std::vector<std::pair<std::size_t, std::size_t>>{
             {0, kBytes}, {1, 4096}, {4095, 2}, {65535, 65538}, {300000, 1}, {300001, 0}}) {
      std::vector<std::byte> got(count);
      file->read_past_cache(offset, got, staging.bytes());
      EXPECT_TRUE(
          std::equal(got.begin(), got.end(), bytes.begin() + static_cast<std::ptrdiff_t>(offset)))
          << offset;
    }
  }
  std::array<std::byte, 4> four{};
  EXPECT_NE(error_of([&] {
              file->read_past_cache(kBytes - 3, four, staging.bytes());
            }).find("the file has 300001"),
            std::string::npos);
  EXPECT_TRUE(error_of([&] {
                file->read_past_cache(0, four, staging.bytes().first(100));
              }).starts_with("internal: "));
  fs::resize_file(path, 5);
  EXPECT_NE(
      error_of([&] { file->read_past_cache(3, four, staging.bytes()); }).find("became shorter"),
      std::string::npos);
}

TEST_F(Folder, RejectsAFileThatWasOverwritten) {
  const fs::path path = path_ / "in.bin";
  OutputFile out(path);
  out.write("0123456789");
  out.commit();
  const auto file = open_file(path);
  fs::last_write_time(path, fs::last_write_time(path) + std::chrono::seconds(1));
  std::array<std::byte, 4> four{};
  EXPECT_EQ(error_of([&] { file->read(3, four); }),
            "corrupt: cannot read " + path.string() + ": it was written to while it was read");
}

}  // namespace
}  // namespace semblance
