#include "pipeline/lora_choice.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "core/error.h"
#include "tests/support/errors.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;

using testing::error_of;
using testing::expect_error;

TEST(LoraChoice, HasWeights) {
  const std::pair<const char*, LoraChoice> rows[] = {
      {"film", {"film", 1, 1}},
      {"film:0.8", {"film", 0.8F, 0.8F}},
      {"film:-0.8:+2", {"film", -0.8F, 2}},
      {"film:0:1", {"film", 0, 1}},
      {"a/b.safetensors:1e-1", {"a/b.safetensors", 0.1F, 0.1F}},
      {"a:b/c:0.5", {"a:b/c", 0.5F, 0.5F}},
      {"/x/film.v2", {"/x/film.v2", 1, 1}},
      {"./1:2:3:4", {"./1:2", 3, 4}},
  };
  for (const auto& [text, choice] : rows) {
    EXPECT_EQ(parse_lora(text), choice) << text;
    EXPECT_EQ(parse_lora(text_of(choice)), choice) << text_of(choice);
    EXPECT_EQ(lora_problem(text, Asker::kUser), std::nullopt);
  }
  EXPECT_EQ(text_of({"film", 1, 1}), "film");
  EXPECT_EQ(text_of({"film", 0.8F, 0.8F}), "film:0.8");
  EXPECT_EQ(text_of({"film", 0.8F, 1}), "film:0.8:1");
  EXPECT_EQ(text_of({"a:b/c", 1, 1}), "a:b/c:1:1");
}

TEST(LoraChoice, RefusesOtherTexts) {
  for (const char* wrong : {"", ":1", ":1:2", "\n"}) {
    expect_error(ErrorKind::kArgument,
                 "cannot take the LoRA: expected a LoRA as FILE|NAME[:WEIGHT[:TEXT_WEIGHT]], got '",
                 [&] { parse_lora(wrong); });
  }
  expect_error(
      ErrorKind::kArgument,
      "expected a number after each ':' of a LoRA as FILE|NAME[:WEIGHT[:TEXT_WEIGHT]], got "
      "'film:strong'",
      [] { parse_lora("film:strong"); });
  expect_error(ErrorKind::kArgument, "got 'film:x:1'", [] { parse_lora("film:x:1"); });
  expect_error(ErrorKind::kArgument, "got 'film:1:2:3'", [] { parse_lora("film:1:2:3"); });
  for (const char* wrong : {"film:101", "film:1:-101", "film:nan", "film:inf:1"}) {
    expect_error(ErrorKind::kArgument, "expected a LoRA's weight from -100 to 100, got 'film:",
                 [&] { parse_lora(wrong); });
  }
}

TEST(LoraChoice, OfTheServiceIsAName) {
  EXPECT_EQ(lora_problem("film v2.1:0.8", Asker::kService), std::nullopt);
  EXPECT_EQ(lora_problem("film.safetensors", Asker::kService), std::nullopt);
  for (const std::string& path :
       {std::string("/etc/passwd"), std::string("a/b:1"), std::string(".."), std::string("..\\b"),
        std::string(".film"), std::string(256, 'x')}) {
    EXPECT_NE(lora_problem(path, Asker::kService)
                  .value_or("none")
                  .find("expected the name of a LoRA in the service's LoRA folder, got '"),
              std::string::npos)
        << path;
    EXPECT_EQ(lora_problem(path, Asker::kUser), std::nullopt);
  }
}

TEST(LoraChoice, StandsInPromptsAsAnAUTOMATIC1111Tag) {
  EXPECT_EQ(prompt_tag_of({"/x/film.safetensors", 0.8F, 0.8F}), "<lora:film:0.8>");
  EXPECT_EQ(prompt_tag_of({"film.v2", 0.8F, 0.5F}), "<lora:film.v2:0.5:0.8>");
  std::vector<std::string> loras{"/x/film.safetensors:0.5"};
  add_prompt_loras(std::vector<LoraChoice>{{"film", 1, 1}, {"b", 0.8F, 2}}, loras);
  EXPECT_EQ(loras, (std::vector<std::string>{"/x/film.safetensors:0.5", "film", "b:0.8:2"}));
  expect_error(ErrorKind::kArgument,
               "cannot take <lora:../b> in the prompt: expected the name of a LoRA", [&] {
                 add_prompt_loras(std::vector<LoraChoice>{{"../b", 1, 1}}, loras);
               });
}

class LoraFolder : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("semblance_loras_" + std::to_string(getpid()));
    for (const char* file : {"film.safetensors", "film.txt", "sub/pixel.pt", "sub/deep/old.ckpt",
                             "one/twin.safetensors", "two/twin.safetensors"}) {
      fs::create_directories((folder_ / file).parent_path());
      std::ofstream(folder_ / file) << "x";
    }
  }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path found(const std::string& name) const {
    return fs::path(find_lora(parse_lora(name), std::vector{folder_ / "nowhere", folder_}))
        .lexically_relative(folder_);
  }
  fs::path folder_;
};

TEST_F(LoraFolder, IsSearchedWithTheFoldersInside) {
  EXPECT_EQ(found("film"), "film.safetensors");
  EXPECT_EQ(found("film.safetensors:0.5"), "film.safetensors");
  EXPECT_EQ(found("pixel"), "sub/pixel.pt");
  EXPECT_EQ(found("old"), "sub/deep/old.ckpt");
  expect_error(ErrorKind::kMissing,
               "cannot find the LoRA fim: the LoRA folders have no file of that name, did you mean "
               "film?\n  put fim.safetensors into one of them, or choose another with --lora-dir",
               [&] { found("fim"); });
  expect_error(ErrorKind::kMissing, "cannot find the LoRA film.txt", [&] { found("film.txt"); });
  expect_error(ErrorKind::kArgument,
               "cannot choose the LoRA twin: two files have that name, one/twin.safetensors and "
               "two/twin.safetensors\n  rename one of them",
               [&] { found("twin"); });
  expect_error(ErrorKind::kMissing, "cannot open the LoRA /nowhere/film: it does not exist",
               [&] { found("/nowhere/film"); });
  EXPECT_EQ(fs::path(find_lora(parse_lora((folder_ / "film.safetensors").string() + ":2"), {})),
            folder_ / "film.safetensors");
}

TEST_F(LoraFolder, IsGivenOrBesideTheModel) {
  EXPECT_EQ(lora_folders(folder_, "base", "--lora-dir"), std::vector{folder_});
  fs::create_directories(folder_ / "models/Lora");
  EXPECT_EQ(lora_folders(folder_, "base", "--lora-dir"), std::vector{folder_ / "models/Lora"});
  expect_error(ErrorKind::kMissing,
               "cannot open --lora-dir /nowhere: it is no folder\n  give a folder with LoRA files",
               [] { lora_folders("/nowhere", "base", "--lora-dir"); });
  setenv("XDG_DATA_HOME", "/data", 1);
  const std::vector<fs::path> usual{"/models/loras", "/data/semblance/loras"};
  EXPECT_EQ(lora_folders({}, "/models/sdxl", ""), usual);
  EXPECT_EQ(lora_folders({}, "/models/sdxl/", ""), usual);
  EXPECT_EQ(default_lora_folders({}), std::vector<fs::path>{"/data/semblance/loras"});
  unsetenv("XDG_DATA_HOME");
  setenv("HOME", "/home/me", 1);
  EXPECT_EQ(default_lora_folders({}),
            std::vector<fs::path>{"/home/me/.local/share/semblance/loras"});
}

}  // namespace
}  // namespace semblance
