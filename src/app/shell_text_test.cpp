#include "app/shell_text.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <vector>

namespace semblance {
namespace {

/// What bash makes of the words of a command, each followed by a zero byte.
std::string through_bash(const std::string& command) {
  const std::string call = "bash -c " + shell_quoted("printf '%s\\0' " + command);
  std::FILE* const pipe = popen(call.c_str(), "r");
  std::string out;
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) out += static_cast<char>(c);
  pclose(pipe);
  return out;
}

TEST(ShellText, KeepsEveryWordWhole) {
  std::vector<std::string> words{"",          "a b",      "it's",       "$HOME `id` $(id)",
                                 "-o",        "--x=y",    "two\nlines", "tab\there",
                                 "\\n \\x41", "\x1b[31m", "!!",         "el niño — 雪",
                                 "a'\x07'\\", "*?[a]~#",  "\u202e txt", "\u0085"};
  for (int c = 1; c < 128; ++c) words.push_back(std::string("x") + static_cast<char>(c) + "y");
  std::string want;
  for (const std::string& word : words) want += word + '\0';
  EXPECT_EQ(through_bash(shell_command(words)), want);
  EXPECT_EQ(through_bash(shell_command(words, 40)), want);
}

TEST(ShellText, QuotesOnlyWhatNeedsIt) {
  const std::vector<std::string> words{"semblance", "generate", "--size", "64x48", "-o", "a b.png"};
  EXPECT_EQ(shell_command(words), "semblance generate --size 64x48 -o 'a b.png'");
  EXPECT_EQ(shell_command(words, 35), "semblance generate --size 64x48 \\\n  -o 'a b.png'");
}

TEST(ShellText, ShowsWhatATerminalWouldActOn) {
  EXPECT_EQ(shown_text("a\x1b[2Jb\r\n\tc\x7f \u009b31m \u202egnp. é雪😀"),
            "a\\x1b[2Jb\\x0d\n\tc\\x7f \\xc2\\x9b31m \\xe2\\x80\\xaegnp. é雪😀");
  EXPECT_EQ(shown_text("\xe2\x80"), "\xe2\x80");
}

}  // namespace
}  // namespace semblance
