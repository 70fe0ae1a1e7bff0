#include "cli/progress.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/planning.h"

namespace semblance::cli {
namespace {

/// The output of a Progress driven by `work`.
template <typename F>
std::string said(bool quiet, bool terminal, F&& talk) {
  std::FILE* file = std::tmpfile();
  {
    Progress progress(quiet, file, terminal);
    talk(progress);
  }
  std::string text(static_cast<std::size_t>(std::ftell(file)), '\0');
  std::rewind(file);
  EXPECT_EQ(std::fread(text.data(), 1, text.size(), file), text.size());
  std::fclose(file);
  return text;
}

void work(Progress& progress) {
  progress.note("a picture");
  progress.now("reading the models");
  progress.step("a picture", 1, 2);
  progress.warn("odd");
}

TEST(Progress, RewritesOneLineOnATerminal) {
  EXPECT_EQ(said(false, true, work),
            "a picture\n\r\x1b[Kreading the models\r\x1b[Ka picture: step 1 of 2\r\x1b[Kwarning: "
            "odd\n");
}

TEST(Progress, CutsALongLineBetweenCharacters) {
  const std::string line = "a" + std::string(77, 'b') + "\u00f1o";
  EXPECT_EQ(said(false, true, [&](Progress& progress) { progress.now(line); }),
            "\r\x1b[K" + line.substr(0, 78) + "\r\x1b[K");
}

TEST(Progress, PrintsOnlyNotesElsewhere) {
  EXPECT_EQ(said(false, false, work), "a picture\nwarning: odd\n");
}

TEST(Progress, DoesNotRewriteOnADumbTerminal) {
  const int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  ASSERT_GE(terminal, 0);
  EXPECT_TRUE(rewrites_lines(terminal, "xterm-256color"));
  EXPECT_FALSE(rewrites_lines(terminal, "dumb"));
  EXPECT_FALSE(rewrites_lines(terminal, nullptr));
  close(terminal);
  EXPECT_FALSE(rewrites_lines(terminal, "xterm"));
}

TEST(Progress, KeepsWarningsWhenQuiet) { EXPECT_EQ(said(true, true, work), "warning: odd\n"); }

TEST(Progress, EstimatesTimeLeftFromTheMedianStep) {
  EXPECT_LT(seconds_left({}, 3), 0);
  EXPECT_EQ(seconds_left({100, 2, 2}, 3), 6);
}

TEST(Progress, FormatsTime) {
  EXPECT_EQ(clock_text(6.2), "0:07");
  EXPECT_EQ(clock_text(750), "12:30");
  EXPECT_EQ(clock_text(3723), "1:02:03");
}

}  // namespace
}  // namespace semblance::cli
