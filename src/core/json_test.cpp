#include "core/json.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "tests/support/errors.h"

namespace semblance {
namespace {

using testing::error_of;

Json config(std::string_view text) { return Json::parse("config.json", text); }

TEST(Json, ReadsTypedValues) {
  const Json json = config(
      R"({"i": 3, "f": 0.5, "b": true, "s": "x", "l": [1, 2], "o": {"k": [{"n": 7}]}, "w": ["a"]})");
  EXPECT_EQ(json.get_int("i"), 3);
  EXPECT_EQ(json.get_float("i"), 3.0);
  EXPECT_EQ(json.get_float("f"), 0.5);
  EXPECT_TRUE(json.get_bool("b"));
  EXPECT_EQ(json.get_string("s"), "x");
  EXPECT_EQ(json.get_int_list("l"), (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(json.get_int_or_list("l", 2), (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(json.get_int_or_list("i", 2), (std::vector<std::int64_t>{3, 3}));
  EXPECT_EQ(json.get_float_list("l"), (std::vector<double>{1, 2}));
  EXPECT_EQ(json.get_string_list("w"), (std::vector<std::string>{"a"}));
  EXPECT_EQ(json.child("o").child("k").items()[0].get_int("n"), 7);
  EXPECT_EQ(json.keys(), (std::vector<std::string>{"b", "f", "i", "l", "o", "s", "w"}));
  EXPECT_EQ(config(R"({"a": 1, "a": 2})").get_int("a"), 2);
}

TEST(Json, ANullIsAbsent) {
  const Json json = config(R"({"a": null})");
  EXPECT_FALSE(json.has("a"));
  EXPECT_TRUE(json.is_null("a"));
  EXPECT_FALSE(json.is_null("b"));
  EXPECT_EQ(json.get_int("a", 5), 5);
  EXPECT_EQ(json.get_string("b", "x"), "x");
  EXPECT_EQ(error_of([&] { json.get_int("a"); }),
            "missing: cannot read config.json: \"a\" is missing and has no default");
}

TEST(Json, NamesFileKeyRuleAndValue) {
  const Json json = config(
      R"({"i": "abc", "b": 1, "l": [1, "x"], "o": {"f": []}, "big": 18446744073709551615, "n": -1})");
  EXPECT_EQ(error_of([&] { json.get_int("i"); }),
            "corrupt: cannot read config.json: \"i\" must be an integer, got \"abc\" (string)");
  EXPECT_EQ(error_of([&] { json.get_bool("b"); }),
            "corrupt: cannot read config.json: \"b\" must be true or false, got 1 (integer)");
  EXPECT_EQ(error_of([&] { json.get_string("b"); }),
            "corrupt: cannot read config.json: \"b\" must be a string, got 1 (integer)");
  EXPECT_EQ(error_of([&] { json.get_int_list("l"); }),
            "corrupt: cannot read config.json: \"l[1]\" must be an integer, got \"x\" (string)");
  EXPECT_EQ(error_of([&] { json.get_int_list("b"); }),
            "corrupt: cannot read config.json: \"b\" must be a list, got 1 (integer)");
  EXPECT_EQ(error_of([&] { json.get_string_list("l"); }),
            "corrupt: cannot read config.json: \"l[0]\" must be a string, got 1 (integer)");
  EXPECT_EQ(error_of([&] { json.child("o").get_float("f"); }),
            "corrupt: cannot read config.json: \"o.f\" must be a number, got a list of 0");
  EXPECT_EQ(error_of([&] { json.child("o").child("g"); }),
            "missing: cannot read config.json: \"o.g\" is missing and has no default");
  EXPECT_EQ(error_of([&] { json.get_int("big", {}, {.least = 0}); }),
            "corrupt: cannot read config.json: \"big\" must be an integer of at least 0, got "
            "18446744073709551615 (integer)");
  EXPECT_EQ(error_of([&] { json.get_int("n", {}, {.least = 1, .most = 9}); }),
            "corrupt: cannot read config.json: \"n\" must be an integer from 1 to 9, got -1 "
            "(integer)");
  EXPECT_EQ(error_of([&] { json.get_int_or_list("l", 3); }),
            "corrupt: cannot read config.json: \"l[1]\" must be an integer, got \"x\" (string)");
  EXPECT_EQ(error_of([&] { config("[1]").get_int("a"); }),
            "corrupt: cannot read config.json: it must be an object, got a list of 1");
  EXPECT_EQ(error_of([&] { config(R"({"a": [1]})").get_int_or_list("a", 2); }),
            "corrupt: cannot read config.json: \"a\" must be an integer or a list of 2, got a list "
            "of 1");
  EXPECT_EQ(error_of([&] { json.refuse("i", "one of \"x\", \"y\""); }),
            "corrupt: cannot read config.json: \"i\" must be one of \"x\", \"y\", got \"abc\" "
            "(string)");
  EXPECT_EQ(error_of([&] { config("3").items(); }),
            "corrupt: cannot read config.json: it must be a list, got 3 (integer)");
}

TEST(Json, ShortensLongKeysAndValuesInMessages) {
  const std::string key = std::string(76, 'k') + "\u00e9" + std::string(1000, 'k');
  const Json json = config("{\"" + key + "\": \"" + std::string(1000, 'v') + "\"}");
  EXPECT_EQ(error_of([&] { json.get_int(key); }),
            "corrupt: cannot read config.json: \"" + std::string(76, 'k') +
                "...\" must be an integer, got \"" + std::string(36, 'v') + "... (string)");
}

TEST(Json, RejectsInvalidJson) {
  EXPECT_EQ(error_of([] { config("{\n\"a\": }"); }),
            "corrupt: cannot read config.json: invalid JSON at line 2 (byte 7)");
  EXPECT_EQ(error_of([] { config(""); }),
            "corrupt: cannot read config.json: expected JSON, got nothing");
  EXPECT_EQ(error_of([] { config(" \r\n"); }),
            "corrupt: cannot read config.json: expected JSON, got nothing");
  EXPECT_EQ(error_of([] { config("\xef\xbb\xbf\n<!DOCTYPE HTML>\n<p>Sign in</p>"); }),
            "corrupt: cannot read config.json: expected JSON, got a web page\n"
            "  download the file itself, not the page about it");
  EXPECT_EQ(error_of([] { config("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"); }),
            "corrupt: cannot read config.json: expected JSON, got a Git LFS pointer to it\n"
            "  fetch the file itself: git lfs pull");
  EXPECT_EQ(error_of([] { config(std::string_view("\0\x05\x16\x07\0\x02\0\0Mac OS X", 16)); }),
            "corrupt: cannot read config.json: expected JSON, got an AppleDouble file, which macOS "
            "puts beside the file itself\n  use the file whose name does not begin with \"._\"");
  EXPECT_EQ(error_of([] { config("<p>"); }),
            "corrupt: cannot read config.json: invalid JSON at line 1 (byte 0)");
  EXPECT_EQ(error_of([] { config("{\"a\": \"\xff\"}"); }),
            "corrupt: cannot read config.json: invalid JSON at line 1 (byte 7)");
  EXPECT_EQ(error_of([] { config(R"({"a": 1e999})"); }),
            "corrupt: cannot read config.json: numbers in JSON must be below 1e308");
  EXPECT_EQ(
      error_of([] { config(std::string(100000, '[')); }),
      "corrupt: cannot read config.json: JSON must be nested at most 64 deep, this is deeper");
  EXPECT_NO_THROW(config(std::string(64, '[') + std::string(64, ']')));
}

TEST(Json, LoadsFilesWithinALimit) {
  const auto folder = std::filesystem::path(::testing::TempDir());
  const auto path = folder / "semblance_json_test.json";
  std::ofstream(path) << R"({"a": 1})";
  EXPECT_EQ(Json::load(path).get_int("a"), 1);
  EXPECT_EQ(error_of([&] { Json::load(path, 7); }),
            "corrupt: cannot read " + path.string() + ": expected at most 7 bytes, got 8");
  std::filesystem::remove(path);
  EXPECT_EQ(error_of([&] { Json::load(path); }),
            "missing: cannot open " + path.string() + ": no such file");
  EXPECT_EQ(error_of([&] { Json::load(folder); }),
            "argument: cannot open " + folder.string() + ": expected a file, got a folder");
}

TEST(Json, ReadsPythonsInfinityInFilesAsNull) {
  const auto path = std::filesystem::path(::testing::TempDir()) / "semblance_json_infinity.json";
  std::ofstream(path) << R"({"least": -Infinity, "most":Infinity,
"text": "-Infinity \" Infinity", "last": 3})";
  const Json json = Json::load(path);
  EXPECT_TRUE(json.is_null("least"));
  EXPECT_TRUE(json.is_null("most"));
  EXPECT_EQ(json.get_string("text"), "-Infinity \" Infinity");
  EXPECT_EQ(json.get_int("last"), 3);
  std::ofstream(path) << R"({"least": -Infinity, "most" 1})";
  EXPECT_EQ(error_of([&] { Json::load(path); }),
            "corrupt: cannot read " + path.string() + ": invalid JSON at line 1 (byte 28)");
  std::ofstream(path) << R"({"least": -Infinite})";
  EXPECT_NE(error_of([&] { Json::load(path); }), "no error");
  std::filesystem::remove(path);
  EXPECT_NE(error_of([&] { Json::parse("a request", R"({"most": Infinity})"); }), "no error");
}

}  // namespace
}  // namespace semblance
