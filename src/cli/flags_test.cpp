#include "cli/flags.h"

#include <gtest/gtest.h>

#include <sstream>

#include "core/error.h"

namespace semblance::cli {
namespace {

struct Values {
  std::string prompt = "none";
  std::optional<std::string> negative;
  std::int64_t steps = 30;
  float guidance = 5;
  int precision = 0;
  bool quiet = false;
  std::filesystem::path photo;
};

/// Parses words into `values`; returns the error message, "help" or "".
std::string read(Values& values, const std::vector<const char*>& words) {
  Flags flags("test [flags]", "A test.");
  flags.text("--prompt", "TEXT", "What it shows.", values.prompt);
  flags.text("--negative", "TEXT", "What it does not show.", values.negative);
  flags.whole("--steps", "Steps.", 1, 1000, values.steps);
  flags.number("--guidance", "Guidance.", values.guidance);
  flags.choice("--precision", "Precision.", {"auto", "f32", "bf16"}, values.precision);
  flags.toggle("-q,--quiet", "Says less.", values.quiet);
  flags.positional("PHOTO", "The photo.", values.photo);
  try {
    return flags.read(words) ? "" : "help";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kArgument);
    return error.what();
  }
}

std::string error_of(const std::vector<const char*>& words) {
  Values values;
  return read(values, words);
}

TEST(Flags, TakeValues) {
  Values values;
  EXPECT_EQ(read(values, {"me.jpg", "--prompt", "a, b", "--steps=5", "--guidance", "1e1",
                          "--precision", "bf16", "-q"}),
            "");
  EXPECT_EQ(values.photo, "me.jpg");
  EXPECT_EQ(values.prompt, "a, b");
  EXPECT_EQ(values.steps, 5);
  EXPECT_EQ(values.guidance, 10.0F);
  EXPECT_EQ(values.precision, 2);
  EXPECT_TRUE(values.quiet);
  EXPECT_FALSE(values.negative.has_value());
}

TEST(Flags, TakeEachValueOfFlagsThatMayRepeat) {
  Flags flags("test [flags]", "A test.");
  std::vector<std::string> hosts;
  std::filesystem::path photo;
  flags.values("--host", "NAME", "A name.", [&](const std::string& flag, const std::string& text) {
    EXPECT_EQ(flag, "--host");
    hosts.push_back(text);
  });
  flags.positional("PHOTO", "The photo.", photo);
  const std::vector<const char*> words{"--host", "a", "--host=b,c", "me.jpg", "--host", "[d]"};
  EXPECT_TRUE(flags.read(words));
  EXPECT_EQ(hosts, (std::vector<std::string>{"a", "b,c", "[d]"}));
  EXPECT_EQ(photo, "me.jpg");
  EXPECT_TRUE(flags.gives("--host"));
}

TEST(Flags, TakeTheLastOfRepeatedFlags) {
  Values values;
  EXPECT_EQ(read(values, {"--steps", "5", "--prompt", "a", "--steps", "7", "--prompt=b"}), "");
  EXPECT_EQ(values.steps, 7);
  EXPECT_EQ(values.prompt, "b");
}

TEST(Flags, TakeTextVerbatim) {
  for (const char* text : {"", "[cat, dog]", "{}", "-3", "--steps", "\"quoted\"", " a\nb ", "%%"}) {
    Values values;
    EXPECT_EQ(read(values, {"--prompt", text, "-q"}), "") << text;
    EXPECT_EQ(values.prompt, text);
    EXPECT_TRUE(values.quiet);
  }
  Values values;
  EXPECT_EQ(read(values, {"--negative=", "-q"}), "");
  EXPECT_EQ(values.negative, "");
}

TEST(Flags, RefuseValuesOfTheWrongKind) {
  EXPECT_EQ(error_of({"--steps", "many"}),
            "cannot take --steps: expected a whole number from 1 to 1000, got 'many'");
  EXPECT_EQ(error_of({"--steps", "3.5"}),
            "cannot take --steps: expected a whole number from 1 to 1000, got '3.5'");
  EXPECT_EQ(error_of({"--steps", ""}),
            "cannot take --steps: expected a whole number from 1 to 1000, got ''");
  EXPECT_EQ(error_of({"--steps", "-1"}),
            "cannot take --steps: expected a whole number from 1 to 1000, got -1");
  EXPECT_EQ(
      error_of({"--steps", "99999999999999999999"}),
      "cannot take --steps: expected a whole number from 1 to 1000, got '99999999999999999999'");
  EXPECT_EQ(error_of({"--guidance", "5,5"}),
            "cannot take --guidance: expected a number, got '5,5'");
  EXPECT_EQ(
      error_of({"--precision", "f23"}),
      "cannot take --precision: expected one of auto, f32, bf16, got 'f23', did you mean f32?");
}

TEST(Flags, RefuseValuesForToggles) {
  EXPECT_EQ(error_of({"--quiet=no"}), "--quiet takes no value, got 'no'");
  EXPECT_EQ(error_of({"-q="}), "-q takes no value, got ''");
  EXPECT_EQ(error_of({"--help=steps"}), "--help takes no value, got 'steps'");
  Values values;
  EXPECT_EQ(read(values, {"--prompt", "--quiet=no", "--negative", "a="}), "");
  EXPECT_EQ(values.prompt, "--quiet=no");
  EXPECT_EQ(values.negative, "a=");
}

TEST(Flags, SuggestSimilarNames) {
  EXPECT_EQ(error_of({"--promt", "a"}),
            "unknown flag --promt, did you mean --prompt?\n  --help lists the flags");
  EXPECT_EQ(error_of({"--xyzzy"}), "unknown flag --xyzzy\n  --help lists the flags");
  EXPECT_EQ(error_of({"--step=4"}),
            "unknown flag --step, did you mean --steps?\n  --help lists the flags");
}

TEST(Flags, RefuseExtraOrMissingWords) {
  EXPECT_EQ(error_of({"a.jpg", "b.jpg"}),
            "unexpected argument 'b.jpg'; expected one file\n  --help lists the flags");
  EXPECT_EQ(error_of({"--prompt"}), "--prompt needs a value");
}

TEST(Flags, HelpWinsOverErrors) {
  EXPECT_EQ(error_of({"--steps", "many", "--help"}), "help");
  EXPECT_EQ(error_of({"-h"}), "help");
}

TEST(Flags, HelpIsWrappedAndGrouped) {
  Flags flags("test [flags]", std::string(40, 'a') + ' ' + std::string(80, 'b'));
  std::string target;
  flags.group("Advanced");
  flags.text("-p,--prompt", "TEXT", "What it shows. Default: nothing.", target);
  flags.group("Common");
  flags.text("--negative", "TEXT", "What it does not show.", target);
  const std::string help = flags.help();
  EXPECT_NE(help.find("  -p, --prompt TEXT\n      What it shows."), std::string::npos) << help;
  EXPECT_LT(help.find("Common"), help.find("Advanced"));
  std::istringstream lines(help);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 96U) << line;
}

TEST(Flags, ParseSizes) {
  const auto size = parse_size("640x480");
  ASSERT_TRUE(size.has_value());
  EXPECT_EQ(size->width, 640);
  EXPECT_EQ(size->height, 480);
  for (const char* text : {"", "640", "x", "640x", "x480", "0x8", "-8x8", "8x8x8", "8 x 8",
                           "99999999999x8", "640*480"}) {
    EXPECT_FALSE(parse_size(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace semblance::cli
