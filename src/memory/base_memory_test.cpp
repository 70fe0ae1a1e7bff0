#include "memory/base_memory.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <vector>

#include "memory/buffer.h"
#include "tests/support/sanitized.h"

namespace semblance {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;

void expect_grown(std::uint64_t before, std::uint64_t after, std::uint64_t bytes) {
  EXPECT_NEAR(static_cast<double>(after) - static_cast<double>(before), static_cast<double>(bytes),
              static_cast<double>(kMiB) / 2);
}

TEST(BaseMemory, CountsTheHeapInUse) {
  if (testing::kSanitized) GTEST_SKIP() << "a sanitizer has its own heap";
  const BaseMemory before = measure_base();
  EXPECT_GT(before.code_bytes, kMiB);
  EXPECT_GT(before.copied_bytes, 0U);
  EXPECT_GT(before.heap_bytes, 0U);
  const std::unique_ptr<char[]> block(new char[16 * kMiB]);  // not used yet: not resident
  expect_grown(before.total(), measure_base().total(), 0);
  std::memset(block.get(), 1, 16 * kMiB);
  expect_grown(before.heap_bytes, measure_base().heap_bytes, 16 * kMiB);
}

/// A Buffer occupies exactly the pages it asked for, however the system maps them.
TEST(BaseMemory, LeavesOutBuffers) {
  if (testing::kSanitized) GTEST_SKIP() << "a sanitizer keeps shadow pages of Buffers";
  const BaseMemory before = measure_base();
  std::vector<Buffer> buffers;
  for (int i = 0; i < 8; ++i) {
    buffers.emplace_back(3 * kMiB + 12345, Tag::kActivations);
    std::memset(buffers.back().data(), 1, buffers.back().size());
  }
  expect_grown(before.total(), measure_base().total(), 0);
}

TEST(BaseMemory, CountsGeneratedCode) {
  const BaseMemory before = measure_base();
  void* const code = mmap(nullptr, 4 * kMiB, PROT_READ | PROT_WRITE | PROT_EXEC,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(code, MAP_FAILED);
  std::memset(code, 0xc3, 4 * kMiB);
  expect_grown(before.generated_bytes, measure_base().generated_bytes, 4 * kMiB);
  munmap(code, 4 * kMiB);
}

/// Maps a file, whose pages act as a library's.
class MappedProgram : public ::testing::Test {
 protected:
  void SetUp() override {
    const int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    struct stat status {};
    ASSERT_EQ(fstat(file, &status), 0);
    bytes_ = static_cast<std::size_t>(status.st_size);
    data_ = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
    close(file);
    ASSERT_NE(data_, MAP_FAILED);
  }
  void TearDown() override { munmap(data_, bytes_); }
  void protect() { mprotect(data_, bytes_, PROT_READ); }
  unsigned sum() const {
    unsigned sum = 0;
    for (std::size_t i = 0; i < bytes_; ++i) sum += static_cast<const unsigned char*>(data_)[i];
    return sum;
  }
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

TEST_F(MappedProgram, IsDroppedAndMappedAgain) {
  protect();
  const unsigned before = sum();
  const std::uint64_t with = measure_base().code_bytes;
  drop_unmodified_code();
  EXPECT_LE(measure_base().code_bytes + bytes_ / 2, with);
  EXPECT_EQ(sum(), before);
}

TEST_F(MappedProgram, KeepsModifiedPages) {
  std::memset(static_cast<char*>(data_) + bytes_ / 2, 7, 10);
  protect();
  const unsigned before = sum();
  drop_unmodified_code();
  EXPECT_EQ(sum(), before);
}

TEST(BaseMemory, PredictionGrowsWithEachCount) {
  const BaseMemory chosen = measure_base();
  const std::uint64_t none = predict_base(chosen, {}).total();
  EXPECT_GT(predict_base(chosen, {.generated_kernels = 100}).total(), none + kMiB);
  EXPECT_GT(predict_base(chosen, {.nodes = 10000}).total(), none + kMiB);
  EXPECT_GT(predict_base(chosen, {.threads = 64}).total(), none + kMiB);
}

}  // namespace
}  // namespace semblance
