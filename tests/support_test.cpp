// Tests of the test support: the reader of numpy arrays, PSNR, control groups.
#include <gtest/gtest.h>

#include <csignal>

#include "tests/support/control_group.h"
#include "tests/support/errors.h"
#include "tests/support/npy.h"

namespace semblance::testing {
namespace {

/// A file in version 1.0 of numpy.save's format.
std::string npy_bytes(std::string header, std::string_view data) {
  while ((10 + header.size() + 1) % 64 != 0) header += ' ';
  header += '\n';
  std::string bytes = "\x93NUMPY";
  bytes += {'\x01', '\x00', static_cast<char>(header.size() & 0xff),
            static_cast<char>(header.size() >> 8)};
  return bytes + header + std::string(data);
}

class NpyFile {
 public:
  explicit NpyFile(const std::string& bytes)
      : path_(std::filesystem::path(::testing::TempDir()) /
              fmt::format("semblance_{}.npy", static_cast<const void*>(this))) {
    OutputFile file(path_);
    file.write(bytes);
    file.commit();
  }
  ~NpyFile() { std::filesystem::remove(path_); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

constexpr std::string_view kTwoFloats{"\x00\x00\x80\x3f\x00\x00\x00\xc0", 8};  // 1, -2

TEST(Npy, ReadsFloatsAndIntegers) {
  const NpyFile floats(
      npy_bytes("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }", kTwoFloats));
  const Npy<float> read = read_npy<float>(floats.path());
  EXPECT_EQ(read.shape, (Shape{1, 2}));
  EXPECT_EQ(read.values, (std::vector<float>{1, -2}));

  const NpyFile ids(npy_bytes("{'descr': '<i4', 'fortran_order': False, 'shape': (2,), }",
                              std::string_view("\x07\x00\x00\x00\xff\xff\xff\xff", 8)));
  EXPECT_EQ(read_npy<std::int32_t>(ids.path()).values, (std::vector<std::int32_t>{7, -1}));

  const NpyFile scalar(npy_bytes("{'descr': '<i8', 'fortran_order': False, 'shape': (), }",
                                 std::string_view("\x05\x00\x00\x00\x00\x00\x00\x00", 8)));
  EXPECT_EQ(read_npy<std::int64_t>(scalar.path()).shape, Shape{});
}

TEST(Npy, RefusesOtherFiles) {
  struct Refusal {
    std::string bytes;
    const char* rule;
  };
  const std::string good =
      npy_bytes("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }", kTwoFloats);
  const Refusal refusals[] = {
      {"", "not a .npy file"},
      {"PK and the rest of a zip", "not a .npy file"},
      {good.substr(0, 40), "truncated"},
      {good.substr(0, good.size() - 1), "7 bytes of data, the shape [1,2] needs 8"},
      {good + "x", "9 bytes of data, the shape [1,2] needs 8"},
      {npy_bytes("{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }", kTwoFloats),
       "expected elements of type '<f4'"},
      {npy_bytes("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 2), }", kTwoFloats),
       "not in C order"},
      {npy_bytes("{'descr': '<f4', 'fortran_order': False, }", kTwoFloats), "no shape"},
      {npy_bytes("{'descr': '<f4', 'fortran_order': False, 'shape': 2, }", kTwoFloats),
       "the shape is not a tuple"},
      {npy_bytes("{'descr': '<f4', 'fortran_order': False, 'shape': (a,), }", kTwoFloats),
       "the shape is not made of numbers"},
  };
  for (const Refusal& refusal : refusals) {
    const NpyFile file(refusal.bytes);
    expect_error(ErrorKind::kCorrupt, refusal.rule, [&] { read_npy<float>(file.path()); });
  }
}

TEST(ControlGroup, KillsAProgramThatExceedsItsLimit) {
  constexpr std::uint64_t kMib = 1024 * 1024;
  const ControlGroup group(64 * kMib);
  if (!group.ready()) GTEST_SKIP() << group.why_not();
  // dd fills a block of memory of size bs.
  const auto fill = [](const std::string& size) {
    return std::vector<std::string>{"/bin/dd", "if=/dev/zero", "of=/dev/null", "count=1",
                                    "bs=" + size};
  };
  const GroupOutcome little = group.run(fill("16M"));
  EXPECT_EQ(little.exit_code, 0) << little.err;
  EXPECT_NE(little.err.find("16777216"), std::string::npos) << little.err;
  const GroupOutcome much = group.run(fill("256M"));
  EXPECT_EQ(much.signal, SIGKILL) << much.exit_code << much.err;
  EXPECT_LE(much.peak_bytes, 64 * kMib);
  ASSERT_TRUE(group.set_limit(512 * kMib));
  EXPECT_EQ(group.run(fill("256M")).exit_code, 0);
  EXPECT_EQ(run_in_control_group(64 * kMib, fill("128M")).signal, SIGKILL);
  EXPECT_EQ(group.run({"/bin/echo", "one"}).out, "one\n");
  EXPECT_EQ(group.run({"/none"}).exit_code, 127);
}

}  // namespace
}  // namespace semblance::testing
