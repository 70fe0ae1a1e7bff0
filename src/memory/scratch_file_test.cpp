#include "memory/scratch_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <thread>

#include "memory/buffer.h"
#include "tests/support/errors.h"
#include "tests/support/failing_scratch.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;
using testing::expect_error;
using testing::FailingScratch;

/// A folder on a disk, if there is one.
class ScratchFolder : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    const std::array<fs::path, 3> places{fs::temp_directory_path(), "/var/tmp", fs::current_path()};
    path_ = choose_scratch_folder(std::nullopt, places) /
            ("semblance_scratch_" + std::string(test->name()) + std::to_string(getpid()));
    fs::create_directories(path_);
  }
  void TearDown() override {
    EXPECT_TRUE(fs::is_empty(path_)) << "a file was left behind";
    fs::remove_all(path_);
  }
  fs::path path_;
};

std::vector<std::byte> pattern(std::size_t bytes, unsigned seed) {
  std::vector<std::byte> out(bytes);
  for (std::size_t i = 0; i < bytes; ++i) {
    seed = seed * 1664525U + 1013904223U;
    out[i] = static_cast<std::byte>(seed >> 24U);
  }
  return out;
}

TEST_F(ScratchFolder, ReadsBackWhatWasWritten) {
  constexpr std::size_t kBytes = 10'000'000;
  ScratchFile scratch(path_, kBytes);
  EXPECT_TRUE(fs::is_empty(path_));  // it has no name
  EXPECT_EQ(scratch.size(), kBytes);
  const Buffer buffer(kBytes, Tag::kOther);  // begins at a page
  const auto all = pattern(kBytes, 1);
  std::memcpy(buffer.data(), all.data(), kBytes);
  scratch.write(0, buffer.bytes());
  std::memset(buffer.data(), 0, kBytes);
  scratch.read(0, buffer.bytes());
  EXPECT_EQ(std::memcmp(buffer.data(), all.data(), kBytes), 0);
  // Ranges of every alignment, over data that was written directly.
  for (const auto& [offset, bytes, shift] : {std::array<std::size_t, 3>{1, 3, 0},
                                             {4096, 4096, 0},
                                             {4096, 9000, 0},
                                             {8191, 12288, 0},
                                             {8192, 8192, 1},
                                             {kBytes - 5000, 5000, 64},
                                             {0, 0, 0},
                                             {kBytes, 0, 0}}) {
    const auto part = pattern(bytes, static_cast<unsigned>(offset + bytes));
    auto place = buffer.bytes().subspan(shift, bytes);
    std::copy(part.begin(), part.end(), place.begin());
    scratch.write(offset, place);
    std::memset(place.data(), 0, bytes);
    scratch.read(offset, place);
    EXPECT_TRUE(std::equal(part.begin(), part.end(), place.begin())) << offset << ' ' << bytes;
    std::vector<std::byte> unaligned(bytes + 1);
    scratch.read(offset, std::span(unaligned).subspan(1));
    EXPECT_TRUE(std::equal(part.begin(), part.end(), unaligned.begin() + 1)) << offset;
  }
  EXPECT_THROW(scratch.read(kBytes - 1, buffer.bytes().subspan(0, 2)), Error);
  EXPECT_THROW(scratch.write(kBytes + 1, {}), Error);
}

TEST_F(ScratchFolder, ManyThreadsMayUseItAtOnce) {
  constexpr std::size_t kPart = 1 << 20;
  ScratchFile scratch(path_, 4 * kPart);
  std::vector<std::jthread> threads;
  std::atomic<int> wrong{0};
  for (std::size_t i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      const Buffer buffer(kPart, Tag::kOther);
      for (unsigned round = 0; round < 5; ++round) {
        const auto part = pattern(kPart, static_cast<unsigned>(i * 100 + round));
        std::memcpy(buffer.data(), part.data(), kPart);
        scratch.write(i * kPart, buffer.bytes());
        std::memset(buffer.data(), 0, kPart);
        scratch.read(i * kPart, buffer.bytes());
        if (std::memcmp(buffer.data(), part.data(), kPart) != 0) ++wrong;
      }
    });
  }
  threads.clear();
  EXPECT_EQ(wrong, 0);
}

/// System calls that fail on demand; one set at a time.
struct Faults {
  static inline int interrupts = 0;    // the number of calls to interrupt first
  static inline std::size_t most = 0;  // the most bytes per call; 0 for no limit
  static inline int good_calls = 1 << 30;
  static inline int error = EIO;
  static inline bool refuses_direct = false;
  static inline int reserve_error = 0;

  static bool fails(int descriptor) {
    if (interrupts > 0) {
      --interrupts;
      errno = EINTR;
      return true;
    }
    if (refuses_direct && (fcntl(descriptor, F_GETFL) & O_DIRECT) != 0) {
      errno = EINVAL;
      return true;
    }
    if (good_calls-- <= 0) {
      errno = error;
      return true;
    }
    return false;
  }
  static ScratchCalls calls() {
    interrupts = 0;
    most = 0;
    good_calls = 1 << 30;
    refuses_direct = false;
    reserve_error = 0;
    return {.write_at = [](int descriptor, const void* src, std::size_t bytes,
                           off_t offset) -> ssize_t {
              if (fails(descriptor)) return -1;
              return pwrite(descriptor, src, most != 0 ? std::min(bytes, most) : bytes, offset);
            },
            .read_at = [](int descriptor, void* dst, std::size_t bytes, off_t offset) -> ssize_t {
              if (fails(descriptor)) return -1;
              return pread(descriptor, dst, most != 0 ? std::min(bytes, most) : bytes, offset);
            },
            .reserve =
                [](int descriptor, int mode, off_t offset, off_t bytes) {
                  if (reserve_error == 0) return fallocate(descriptor, mode, offset, bytes);
                  errno = reserve_error;
                  return -1;
                }};
  }
};

TEST_F(ScratchFolder, ContinuesAfterInterruptedAndShortCalls) {
  ScratchFile scratch(path_, 1 << 20, Faults::calls());
  const Buffer buffer(1 << 20, Tag::kOther);
  const auto all = pattern(1 << 20, 3);
  std::memcpy(buffer.data(), all.data(), all.size());
  for (const std::size_t most : {std::size_t{0}, std::size_t{12288}, std::size_t{100'000}}) {
    Faults::most = most;
    Faults::interrupts = 3;
    scratch.write(0, buffer.bytes());
    std::memset(buffer.data(), 0, buffer.size());
    Faults::interrupts = 3;
    scratch.read(0, buffer.bytes());
    EXPECT_EQ(std::memcmp(buffer.data(), all.data(), all.size()), 0) << most;
  }
}

TEST_F(ScratchFolder, UsesThePageCacheIfDirectTransfersFail) {
  ScratchFile scratch(path_, 1 << 20, Faults::calls());
  Faults::refuses_direct = true;
  const Buffer buffer(1 << 20, Tag::kOther);
  const auto all = pattern(1 << 20, 4);
  std::memcpy(buffer.data(), all.data(), all.size());
  scratch.write(0, buffer.bytes());
  EXPECT_FALSE(scratch.is_direct());
  std::memset(buffer.data(), 0, buffer.size());
  scratch.read(0, buffer.bytes());
  EXPECT_EQ(std::memcmp(buffer.data(), all.data(), all.size()), 0);
}

TEST_F(ScratchFolder, ReportsAFailingOrFullDisk) {
  ScratchFile scratch(path_, 1 << 20, Faults::calls());
  const Buffer buffer(1 << 20, Tag::kOther);
  Faults::most = 8192;
  Faults::good_calls = 3;
  Faults::error = ENOSPC;
  const std::string full = expect_error(ErrorKind::kDevice, "No space left on device",
                                        [&] { scratch.write(0, buffer.bytes()); });
  EXPECT_NE(full.find("cannot write the scratch file in " + path_.string()), std::string::npos);
  EXPECT_NE(full.find("--scratch DIR"), std::string::npos);
  Faults::good_calls = 3;
  Faults::error = EIO;
  expect_error(ErrorKind::kDevice, "cannot write the scratch file in ",
               [&] { scratch.write(0, buffer.bytes()); });
  Faults::good_calls = 3;
  expect_error(ErrorKind::kDevice, ": Input/output error",
               [&] { scratch.read(0, buffer.bytes()); });
}

TEST_F(ScratchFolder, WorksIfSpaceCannotBeReserved) {
  const ScratchCalls calls = Faults::calls();
  Faults::reserve_error = EOPNOTSUPP;
  ScratchFile scratch(path_, 10'000, calls);
  std::vector<std::byte> bytes(10'000);
  scratch.write(0, pattern(10'000, 5));
  scratch.read(0, bytes);
  EXPECT_EQ(bytes, pattern(10'000, 5));
  Faults::reserve_error = ENOSPC;
  expect_error(ErrorKind::kDevice, "of 1 MiB: No space left on device",
               [&] { ScratchFile(path_, 10'000, calls); });
}

TEST_F(ScratchFolder, RequiresEnoughFreeSpace) {
  struct statvfs space {};
  ASSERT_EQ(statvfs(path_.c_str(), &space), 0);
  const std::uint64_t too_much = (std::uint64_t{space.f_blocks} + 1) * space.f_frsize;
  const std::string got = expect_error(ErrorKind::kDevice, "cannot create the scratch file in ",
                                       [&] { ScratchFile(path_, too_much); });
  EXPECT_NE(got.find(" MiB, "), std::string::npos) << got;
  EXPECT_NE(got.find(" are free\n  free some space there, or name another folder with --scratch"),
            std::string::npos)
      << got;
  expect_error(ErrorKind::kDevice, "No such file", [&] { ScratchFile(path_ / "none", 1); });
}

TEST_F(ScratchFolder, LeavesThePageCacheAlone) {
  constexpr std::size_t kBytes = 16 << 20;
  ScratchFile scratch(path_, kBytes);
  const Buffer buffer(kBytes + 4096, Tag::kOther);
  for (const std::size_t shift : {0, 1}) {
    const auto place = buffer.bytes().subspan(shift, kBytes);
    scratch.write(0, place);
    scratch.read(0, place);
    EXPECT_LT(scratch.cached_share(), 0.05) << (shift == 0 ? "direct" : "through the cache");
  }
}

TEST_F(ScratchFolder, UsesANamedFolderOrExplainsWhyNot) {
  EXPECT_EQ(choose_scratch_folder(path_), path_);
  expect_error(ErrorKind::kMissing, "--scratch: there is no folder ",
               [&] { choose_scratch_folder(path_ / "none"); });
  std::ofstream(path_ / "file") << "x";
  expect_error(ErrorKind::kArgument, "--scratch: expected a folder, ",
               [&] { choose_scratch_folder(path_ / "file"); });
  fs::remove(path_ / "file");
  if (fs::is_directory("/proc/self")) {  // accepts no file, and is not tmpfs
    const std::string got =
        expect_error(ErrorKind::kDevice,
                     "--scratch: cannot write in /proc: ", [] { choose_scratch_folder("/proc"); });
    EXPECT_NE(got.find("or do without a scratch file with --no-spill"), std::string::npos);
  }
}

TEST_F(ScratchFolder, RejectsAFolderItMayNotWrite) {
  fs::permissions(path_, fs::perms::owner_read | fs::perms::owner_exec | fs::perms::others_read |
                             fs::perms::others_exec);
  const auto try_it = [&] {
    // Root may write anywhere: become nobody.
    if (geteuid() == 0 && setuid(65534) != 0) _exit(3);
    try {
      choose_scratch_folder(path_);
    } catch (const Error& error) {
      std::fputs(error.what(), stderr);
      _exit(exit_code(error.kind()));
    }
    _exit(0);
  };
  EXPECT_EXIT(try_it(), ::testing::ExitedWithCode(7), "cannot write in .*: Permission denied");
  fs::permissions(path_, fs::perms::owner_all);
}

TEST_F(ScratchFolder, SkipsFoldersInMemory) {
  const fs::path in_memory = "/dev/shm";
  const bool is_refused = testing::error_of([&] {
                            choose_scratch_folder(in_memory);
                          }).find("is in memory (tmpfs)") != std::string::npos;
  if (!is_refused) GTEST_SKIP() << "/dev/shm is not tmpfs here";
  const std::string got =
      expect_error(ErrorKind::kArgument, "what is written there counts against the budget",
                   [&] { choose_scratch_folder(in_memory); });
  EXPECT_NE(got.find("--scratch DIR, or do without a scratch file with --no-spill"),
            std::string::npos);
  const std::array<fs::path, 4> others{"", in_memory, path_ / "none", path_};
  EXPECT_EQ(choose_scratch_folder(std::nullopt, others), path_);
  const auto none = std::span(others).first(3);
  expect_error(ErrorKind::kMissing,
               "cannot place a scratch file: none of TMPDIR, /var/tmp and /tmp",
               [&] { choose_scratch_folder(std::nullopt, none); });
  setenv("TMPDIR", path_.c_str(), 1);
  EXPECT_EQ(choose_scratch_folder(std::nullopt), path_);
  unsetenv("TMPDIR");
}

TEST_F(ScratchFolder, LeavesNothingBehindWhenKilled) {
  EXPECT_EXIT(
      {
        ScratchFile scratch(path_, 1 << 20);
        scratch.write(0, pattern(1 << 20, 6));
        raise(SIGKILL);
      },
      ::testing::KilledBySignal(SIGKILL), "");
}

TEST(FailingScratch, FailsWhenToldTo) {
  FailingScratch scratch(100, {.good_writes = 2, .good_reads = 1, .reason = "worn out"});
  std::array<std::byte, 4> four{std::byte{7}};
  scratch.write(10, four);
  scratch.write(20, four);
  expect_error(ErrorKind::kDevice, "worn out", [&] { scratch.write(30, four); });
  four = {};
  scratch.read(10, four);
  EXPECT_EQ(four[0], std::byte{7});
  expect_error(ErrorKind::kDevice, "cannot read", [&] { scratch.read(10, four); });
}

}  // namespace
}  // namespace semblance
