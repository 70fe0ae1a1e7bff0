// The examples make the same pictures through the library as the program does.
#include <fmt/format.h>

#include "cli/program_test.h"
#include "tests/support/sanitized.h"

namespace semblance::cli {
namespace {

class Example : public ProgramTest {
  void SetUp() override {
    if (testing::kSanitized) GTEST_SKIP() << "the library is not built with a sanitizer";
  }
};

TEST_F(Example, MakesTheSamePictureAsTheProgram) {
  run(generate({"--seed", "42", "--precision", "auto"})).exits(0);
  const fs::path models = golden() / "checkpoint";
  Running portrait({SEMBLANCE_PORTRAIT, (models / "base").string(),
                    (models / "identitynet").string(), testing::adapter_in(models).string(),
                    identity(), file("portrait.png"), "a man in the snow", "64", "48", "2"},
                   folder() / "logs");
  portrait.end().exits(0).says("step 2 of 2").prints(file("portrait.png"));
  EXPECT_EQ(bytes_of(file("portrait.png")), bytes_of(file("out.png")));
}

/// Those of the C API, with the demo model.
class ExampleOfC : public Example {
 protected:
  static constexpr const char* kSettings =
      R"({"prompt": "a person", "width": 64, "height": 64, "steps": 2, "seed": 5})";

  static fs::path demo() { return fs::path(SEMBLANCE_SOURCE_DIR) / "models/demo"; }
  static std::string photo() { return (demo() / "faces/03.png").string(); }
  static std::string models() {
    return fmt::format(R"({{"base": "{0}/base", "identitynet": "{0}/ControlNetModel",)"
                       R"( "adapter": "{0}/ip-adapter.bin"}})",
                       demo().string());
  }
  Running start_example(std::vector<std::string> words, const std::string& photo,
                        const std::string& settings) {
    for (const std::string& word :
         {models(), (demo() / "face-models").string(), photo, settings, file("portrait.png")})
      words.push_back(word);
    return {std::move(words), folder() / "logs"};
  }
  Running start_c(const std::string& photo, const std::string& settings) {
    return start_example({SEMBLANCE_PORTRAIT_C}, photo, settings);
  }
  Running start_python(const std::string& photo, const std::string& settings) {
    setenv("SEMBLANCE_LIBRARY", SEMBLANCE_LIBRARY, 1);
    return start_example({"/usr/bin/env", "python3", SEMBLANCE_SOURCE_DIR "/examples/portrait.py"},
                         photo, settings);
  }
};

TEST_F(ExampleOfC, MakesTheProgramsPicture) {
  run({"generate", "--face", photo(), "--prompt", "a person", "--size", "64x64", "--steps", "2",
       "--seed", "5", "-o", file("out.png")})
      .exits(0);
  start_c(photo(), kSettings)
      .end()
      .exits(0)
      .says("plan: {\"fits\":true,")
      .says("step 2 of 2")
      .prints(file("portrait.png"));
  EXPECT_EQ(bytes_of(file("portrait.png")), bytes_of(file("out.png")));
  fs::remove(file("portrait.png"));
  start_python(photo(), kSettings).end().exits(0).says("step 2 of 2").prints(file("portrait.png"));
  EXPECT_EQ(bytes_of(file("portrait.png")), bytes_of(file("out.png")));
}

TEST_F(ExampleOfC, ReportsErrors) {
  start_c(file("none.png"), kSettings)
      .end()
      .exits(3)
      .says("portrait_c: cannot open " + file("none.png"))
      .prints_nothing();
  start_python(photo(), R"({"prompt": "a person", "seeed": 5})")
      .end()
      .exits(2)
      .says("portrait.py: there is no setting 'seeed', did you mean seed?")
      .prints_nothing();
  EXPECT_EQ(files(), std::set<std::string>{});
}

TEST_F(ExampleOfC, IsCancelledByCtrlC) {
  Running python =
      start_python(photo(), R"({"prompt": "a person", "width": 64, "height": 64, "steps": 1000})");
  ASSERT_TRUE(python.waits_for("step 1 of 1000"));
  python.signal(SIGINT);
  python.end_within(std::chrono::seconds(60)).exits(130).says("portrait.py: cancelled after step ");
  EXPECT_EQ(files(), std::set<std::string>{});
}

TEST_F(Example, ReportsErrors) {
  Running portrait({SEMBLANCE_PORTRAIT, file("none"), file("none"), file("none"), identity(),
                    file("portrait.png"), "a man in the snow"},
                   folder() / "logs");
  portrait.end().exits(1).says("portrait: cannot ").prints_nothing();
  EXPECT_EQ(files(), std::set<std::string>{});
}

}  // namespace
}  // namespace semblance::cli
