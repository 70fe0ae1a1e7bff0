// Compiled shaders on disk.
#include <fstream>

#include "device/card_test.h"
#include "memory/file.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;
using testing::floats_at;

class PipelineFileTest : public testing::CardTest {
 protected:
  void SetUp() override {
    CardTest::SetUp();
    folder_ = fs::path(::testing::TempDir()) / fmt::format("pipelines-{}", getpid());
    fs::remove_all(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  /// Makes a pipeline; returns 2 * 3 + 4.
  float compute() const {
    const VulkanDevice device(testing::card_facts(), {.pipeline_folder = folder_, .hook = {}});
    const auto executor = device.make_executor({.arena = 4096});
    const testing::MultiplyAdd kernel(3);
    testing::write_floats(*executor, floats_at(0, 16), std::vector<float>(16, 2));
    testing::write_floats(*executor, floats_at(16, 16), std::vector<float>(16, 4));
    executor->run(executor->prepare(
        kernel,
        {.src = {floats_at(0, 16), floats_at(16, 16)}, .dst = floats_at(32, 16), .scratch = {}}));
    return testing::read_floats(*executor, floats_at(32, 16))[0];
  }
  /// The only file in the folder.
  fs::path file() const {
    const std::vector<fs::path> files(fs::directory_iterator(folder_), {});
    EXPECT_EQ(files.size(), 1U);
    return files.empty() ? fs::path() : files[0];
  }
  void overwrite(const std::string& text) const {
    std::ofstream(file(), std::ios::binary | std::ios::trunc) << text;
  }

  fs::path folder_;
};

TEST_F(PipelineFileTest, IsWrittenOnceAndReadAgain) {
  EXPECT_EQ(compute(), 10);
  const auto written = fs::last_write_time(file());
  const std::string text = read_small_file(file(), 1 << 30);
  EXPECT_GT(text.size(), 32U);
  EXPECT_EQ(compute(), 10);
  EXPECT_EQ(fs::last_write_time(file()), written);
}

TEST_F(PipelineFileTest, ADamagedFileIsIgnoredAndReplaced) {
  compute();
  const std::string good = read_small_file(file(), 1 << 30);
  std::string flipped = good;
  flipped.back() = static_cast<char>(flipped.back() ^ 1);
  for (const std::string& bad : {std::string(), good.substr(0, 10), good.substr(0, good.size() - 1),
                                 flipped, good + "x", std::string(1000, '\xff')}) {
    overwrite(bad);
    EXPECT_EQ(compute(), 10);
    EXPECT_EQ(read_small_file(file(), 1 << 30).size(), good.size());
  }
}

TEST_F(PipelineFileTest, AnUnwritableFolderIsIgnored) {
  std::ofstream(folder_.string()) << "a file, not a folder";
  EXPECT_EQ(compute(), 10);
}

}  // namespace
}  // namespace semblance
