#include "service/long_strings.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "service/base64.h"
#include "service/http.h"
#include "tests/support/errors.h"

namespace semblance::service {
namespace {

using semblance::testing::error_of;

std::string bytes_of(std::size_t size) {
  std::string bytes;
  for (std::size_t i = 0; i < size; ++i) bytes += static_cast<char>(i * 7 + i / 251);
  return bytes;
}

/// Every `every`th character as \u00XX.
std::string escaped(const std::string& text, std::size_t every) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i % every == 0) {
      out += fmt::format("\\u{:04X}", static_cast<unsigned char>(text[i]));
    } else {
      out += text[i] == '/' ? "\\/" : std::string(1, text[i]);
    }
  }
  return out;
}

std::optional<std::string> picture_in(const std::string& literal) {
  const std::string text = "{\"n\": 1, \"image\": \"" + literal + "\"}";
  const LongStringJson json(text);
  EXPECT_EQ(json.value()["n"], 1);
  EXPECT_EQ(json.is_long(json.value()["image"]), literal.size() > LongStringJson::kLongBytes);
  return json.base64_in(json.value()["image"]);
}

TEST(LongStringJson, ReadsBase64OfAnyLengthInAnyEscaping) {
  // Around the sizes where strings become long and where pieces end.
  for (std::size_t size :
       {0, 1, 2, 3, 12'287, 12'288, 12'289, 49'151, 49'152, 49'153, 49'154, 98'304, 200'000}) {
    const std::string bytes = bytes_of(size);
    const std::string text = base64(bytes);
    EXPECT_EQ(picture_in(text), bytes) << size;
    EXPECT_EQ(picture_in("data:image/png;base64," + text), bytes) << size;
    EXPECT_EQ(picture_in(escaped(text, 5)), bytes) << size;
    EXPECT_EQ(picture_in(escaped("data:image/png;base64," + text, 1)), bytes) << size;
    std::string lines;
    for (std::size_t i = 0; i < text.size(); i += 76) lines += text.substr(i, 76) + "\\r\\n";
    EXPECT_EQ(picture_in(lines), bytes) << size;
  }
}

TEST(LongStringJson, RefusesMalformedBase64) {
  const std::string text = base64(bytes_of(60'000));
  for (const std::string& bad :
       {text + "=", text + "==", text.substr(0, 40'000) + "!" + text.substr(40'000),
        text.substr(0, 65'534) + "==" + text.substr(0, 4), "data:," + text,
        "data:image/png," + text, "data:" + text, text + "\\t", text + "\\u00e9", text + "\xc3\xa9",
        text + "\\u00", text + "\\uzzzz", text + "\\u-041", text + "\\\"", text + "Z"}) {
    EXPECT_FALSE(picture_in(bad)) << bad.substr(bad.size() - 20);
  }
  const LongStringJson json(R"({"image": 5, "none": null})");
  EXPECT_FALSE(json.base64_in(json.value()["image"]));
  EXPECT_FALSE(json.base64_in(json.value()["none"]));
}

TEST(LongStringJson, KeepsEachStringInItsPlace) {
  const std::string a(20'000, 'A'), b(20'000, 'B');
  const std::string text = R"({"x": [")" + a + R"(", "short \" one", {"y": ")" + b + R"("}]})";
  const LongStringJson json(text);
  const auto& list = json.value()["x"];
  EXPECT_EQ(json.base64_in(list[0]), from_base64(a));
  EXPECT_EQ(list[1], "short \" one");
  EXPECT_EQ(json.base64_in(list[2]["y"]), from_base64(b));
  EXPECT_FALSE(json.is_long(list[1]));
}

TEST(LongStringJson, IsNotFooledByItsOwnMark) {
  const std::string mark = "\xEF\xBF\xBF";
  for (const std::string& text :
       {mark, mark + "0", mark + "1", mark + "-1", mark + "x", mark + "99999999999999999999999"}) {
    const LongStringJson json("{\"a\": \"" + text + "\"}");
    EXPECT_FALSE(json.is_long(json.value()["a"]));
    EXPECT_FALSE(json.base64_in(json.value()["a"]));
  }
}

TEST(LongStringJson, RefusesMalformedJson) {
  const auto message = [](const std::string& text) {
    return error_of([&] { LongStringJson json(text); });
  };
  const std::string long_string(20'000, 'A');
  EXPECT_EQ(message("{\"a\": \"b"),
            "argument: cannot read the request: expected JSON, a string in it has no end");
  EXPECT_EQ(message("{\"a\": \"b\\\""),
            "argument: cannot read the request: expected JSON, a string in it has no end");
  EXPECT_EQ(message("\"\\"),
            "argument: cannot read the request: expected JSON, a string in it has no end");
  EXPECT_EQ(message(""), "argument: cannot read the request: expected JSON, got nothing");
  EXPECT_EQ(message("{\"a\": \"" + long_string + "\" 5}"),
            "argument: cannot read the request (without long strings): invalid JSON at line 1 "
            "(byte 13)");
  EXPECT_EQ(
      message(std::string(100, '[') + std::string(100, ']')),
      "argument: cannot read the request: JSON must be nested at most 64 deep, this is deeper");
  EXPECT_EQ(message("{\"a\": \"\xff\"}"),
            "argument: cannot read the request: invalid JSON at line 1 (byte 7)");
}

TEST(LongStringJson, LimitsTheTextBesidesPictures) {
  std::string text = "[";
  while (text.size() < 300'000) text += "\"" + std::string(10'000, 'A') + "\",";
  try {
    LongStringJson json(text + "0]");
    FAIL() << "it was accepted";
  } catch (const HttpError& error) {
    EXPECT_EQ(error.response().status, 413);
    EXPECT_STREQ(error.what(),
                 "cannot take the request: expected at most 262144 bytes besides its pictures");
  }
}

}  // namespace
}  // namespace semblance::service
