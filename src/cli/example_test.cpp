// examples/portrait.cpp makes the same picture through the library as the program.
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

TEST_F(Example, ReportsErrors) {
  Running portrait({SEMBLANCE_PORTRAIT, file("none"), file("none"), file("none"), identity(),
                    file("portrait.png"), "a man in the snow"},
                   folder() / "logs");
  portrait.end().exits(1).says("portrait: cannot ").prints_nothing();
  EXPECT_EQ(files(), std::set<std::string>{});
}

}  // namespace
}  // namespace semblance::cli
