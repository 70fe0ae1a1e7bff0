// The shared library exports the functions of semblance_c.h, the names of semblance.h, and nothing
// else.
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>

#include "semblance/semblance_c.h"
#include "tests/support/sanitized.h"

namespace {

#ifdef SEMBLANCE_LIBRARY
constexpr const char* kLibrary = SEMBLANCE_LIBRARY;
#else
constexpr const char* kLibrary = "";
#endif

std::string output_of(const std::string& command) {
  std::string text;
  FILE* const pipe = popen(command.c_str(), "r");
  for (int letter = fgetc(pipe); letter != EOF; letter = fgetc(pipe))
    text += static_cast<char>(letter);
  EXPECT_EQ(pclose(pipe), 0) << command;
  return text;
}

/// The first group of each match.
std::set<std::string> found_in(const std::string& text, const char* pattern) {
  const std::regex regex(pattern);
  std::set<std::string> found;
  for (std::sregex_iterator match(text.begin(), text.end(), regex), end; match != end; ++match)
    found.insert((*match)[1]);
  return found;
}

std::string header() {
  std::ifstream file(SEMBLANCE_SOURCE_DIR "/include/semblance/semblance_c.h");
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(PublicNames, MatchTheHeaders) {
  if (semblance::testing::kSanitized) GTEST_SKIP() << "the library is not built with a sanitizer";
  const std::string symbols =
      output_of("nm --dynamic --defined-only --demangle '" + std::string(kLibrary) + "'");
  const auto declared = found_in(header(), "\n[a-z][a-z_ ]*[ *]+(semblance_[a-z_]+)\\(");
  EXPECT_GT(declared.size(), 40U);
  EXPECT_EQ(found_in(symbols, " T (semblance_[a-z_]+)\n"), declared);
  const std::regex cpp("(vtable for |typeinfo for |typeinfo name for )?semblance::v1::.*");
  for (const std::string& name : found_in(symbols, " [A-Za-z] (.*)\n"))
    EXPECT_TRUE(declared.contains(name) || std::regex_match(name, cpp)) << name;
}

TEST(PublicNames, HaveTheVersionInTheHeader) {
  if (semblance::testing::kSanitized) GTEST_SKIP() << "the library is not built with a sanitizer";
  const std::string dynamic = output_of("objdump -p '" + std::string(kLibrary) + "'");
  EXPECT_EQ(found_in(dynamic, "SONAME +([^ \n]+)"),
            std::set<std::string>{"libsemblance.so." + std::to_string(SEMBLANCE_ABI)});
}

}  // namespace
