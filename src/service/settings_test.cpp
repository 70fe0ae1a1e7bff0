#include "service/settings.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "service/http.h"
#include "tests/support/errors.h"

namespace semblance::service {
namespace {

using nlohmann::json;

/// "param: message" of the refusal, which is a 400, or "no error".
std::string refusal(const std::string& text) {
  try {
    parse_settings(text);
  } catch (const HttpError& error) {
    EXPECT_EQ(error.response().status, 400);
    const json body = json::parse(error.response().body.whole())["error"];
    EXPECT_EQ(body["code"], "argument");
    return body["param"].get<std::string>() + ": " + body["message"].get<std::string>();
  }
  return "no error";
}

/// The refusal of one key, together with a prompt.
std::string refusal(const std::string& key, const std::string& value) {
  return refusal(R"({"prompt": "x", ")" + key + "\": " + value + "}");
}

TEST(Settings, RoundTrip) {
  const JobRequest settings{{.prompt = "a \"man\"\n\xE2\x82\xAC",
                             .negative = "blurred",
                             .width = 128,
                             .height = 4096,
                             .steps = 7,
                             .guidance = 1.25F,
                             .identity_strength = 0.1F,
                             .adapter_strength = 5,
                             .identity_start = 0.25,
                             .identity_end = 0.75,
                             .seed = 18446744073709551615U,
                             .vae_tiling = true},
                            16};
  const json there = to_json(settings);
  EXPECT_EQ(to_json(read_settings(there)), there);
  EXPECT_EQ(to_json(parse_settings(there.dump())), there);
  const json plain = to_json(parse_settings(R"({"prompt": "x"})"));
  EXPECT_EQ(plain, to_json(JobRequest{{.prompt = "x", .negative = {}}}));
  EXPECT_EQ(to_json(read_settings(plain)), plain);
}

TEST(Settings, NullCountsAsAbsent) {
  const json plain = to_json(JobRequest{{.prompt = "x", .negative = {}}});
  for (const auto& [key, value] : plain.items()) {
    if (key == "prompt") continue;
    json one{{"prompt", "x"}, {key, nullptr}};
    EXPECT_EQ(to_json(read_settings(one)), plain) << key;
  }
}

TEST(Settings, AWholeNumberMayHaveADecimalPoint) {
  const JobRequest settings =
      parse_settings(R"({"prompt": "", "steps": 5.0, "width": 64.0, "height": 8e1})");
  EXPECT_EQ(settings.steps, 5);
  EXPECT_EQ(settings.width, 64);
  EXPECT_EQ(settings.height, 80);
}

TEST(Settings, MustBeAnObject) {
  EXPECT_EQ(refusal("[1]").substr(0, 9), "settings:");
  EXPECT_EQ(refusal("\"text\"").substr(0, 9), "settings:");
  for (const char* text : {"", "{", "{\"prompt\": \"x\"} more", "{\"prompt\": \"\xff\"}", "nan"})
    EXPECT_TRUE(refusal(text).starts_with("settings: cannot read the settings")) << refusal(text);
  EXPECT_TRUE(refusal(std::string(5000, '[')).starts_with("settings: "));
}

TEST(Settings, APromptIsRequired) {
  EXPECT_EQ(refusal("{}"), "prompt: cannot take prompt: it is missing");
  EXPECT_EQ(refusal(R"({"prompt": null})"), "prompt: cannot take prompt: it is missing");
  EXPECT_TRUE(refusal(R"({"prompt": "a\u0000b"})").starts_with("prompt: "))
      << refusal(R"({"prompt": "a\u0000b"})");
  EXPECT_TRUE(refusal("negative_prompt", R"("\u0000")").starts_with("negative_prompt: "));
  EXPECT_TRUE(refusal("", "1").starts_with("settings: there is no setting ''")) << refusal("", "1");
}

TEST(Settings, AnUnknownKeyIsNamed) {
  EXPECT_EQ(refusal("stepps", "5"), "stepps: there is no setting 'stepps', did you mean steps?");
  EXPECT_TRUE(refusal("lora", "null").starts_with("lora: there is no setting 'lora'"));
  EXPECT_LT(refusal(std::string(3000, 'k'), "1").size(), 300U);
}

TEST(Settings, AWrongTypeIsRefusedForEveryKey) {
  const json all = to_json(JobRequest{});
  for (const auto& [key, value] : all.items()) {
    for (const std::string wrong : {"[]", "{}", "[1]", "{\"a\": 1}"}) {
      if (value.is_array() && wrong == "[]") continue;
      EXPECT_TRUE(refusal(key, wrong).starts_with(key + ": cannot take " + key + ": expected "))
          << key << wrong;
    }
    const bool is_text = key == "prompt" || key == "negative_prompt" || key == "style";
    EXPECT_TRUE(refusal(key, is_text ? "5" : "\"5\"")
                    .starts_with(key + ": cannot take " + key + ": expected "));
    if (value.is_boolean()) {
      EXPECT_EQ(refusal(key, "1"),
                key + ": cannot take " + key + ": expected true or false, got 1");
    } else {
      EXPECT_TRUE(refusal(key, "true").starts_with(key + ": cannot take " + key + ": expected "))
          << key;
    }
  }
}

TEST(Settings, FractionsAreRefusedForWholeNumbers) {
  for (const char* key : {"width", "height", "steps", "count", "seed"}) {
    EXPECT_TRUE(
        refusal(key, "2.5").starts_with(std::string(key) + ": cannot take " + key + ": expected "))
        << refusal(key, "2.5");
    EXPECT_TRUE(refusal(key, "1e300").starts_with(std::string(key) + ": "))
        << refusal(key, "1e300");
  }
  EXPECT_EQ(
      refusal("seed", "-1"),
      "seed: cannot take seed: expected a whole number from 0 to 18446744073709551615, got -1");
  EXPECT_TRUE(refusal("seed", "18446744073709551616").starts_with("seed: "));
}

TEST(Settings, AValueOutOfRangeIsRefusedForEveryKey) {
  const std::vector<std::pair<std::string, std::vector<std::string>>> wrong{
      {"steps", {"0", "-5", "101", "1000000000", "5000000000"}},
      {"count", {"0", "17"}},
      {"guidance", {"-0.1", "100.1", "1e400"}},
      {"identity_strength", {"-0.01", "5.01"}},
      {"adapter_strength", {"-1", "6"}},
      {"identity_start", {"-0.1", "1.1"}},
      {"identity_end", {"-0.1", "1.1"}}};
  for (const auto& [key, values] : wrong) {
    for (const std::string& value : values) {
      const std::string text = refusal(key, value);
      // A number beyond a double is refused as JSON.
      const std::string param = value == "1e400" ? "settings: " : key + ": ";
      EXPECT_TRUE(text.starts_with(param)) << key << " " << value << " " << text;
    }
  }
  EXPECT_TRUE(refusal(R"({"prompt": "x", "identity_start": 0.6, "identity_end": 0.5})")
                  .starts_with("identity_start: "));
}

TEST(Settings, SidesComeInPairsOfMultiplesOf8WithinLimits) {
  const auto sides = [](const std::string& width, const std::string& height) {
    return refusal(R"({"prompt": "x", "width": )" + width + R"(, "height": )" + height + "}");
  };
  EXPECT_EQ(sides("64", "4096"), "no error");
  EXPECT_EQ(sides("null", "null"), "no error");
  for (const char* side : {"0", "-8", "63", "65", "100", "4", "4104", "1000000000"}) {
    EXPECT_TRUE(sides(side, "64").starts_with("width: ")) << sides(side, "64");
    EXPECT_TRUE(sides("64", side).starts_with("height: ")) << sides("64", side);
  }
  EXPECT_TRUE(sides("64", "null").starts_with("height: expected both width and height"));
  EXPECT_TRUE(sides("null", "64").starts_with("width: expected both width and height"));
}

TEST(Settings, APromptHasALimitInBytesInAnyEscaping) {
  std::string escaped;
  for (std::size_t i = 0; i < kMostPromptBytes; ++i) escaped += "\\u0001";
  const std::string longest = "\"" + escaped + "\"";
  const JobRequest settings =
      parse_settings(R"({"prompt": )" + longest + R"(, "negative_prompt": )" + longest + "}");
  EXPECT_EQ(settings.prompt.size(), kMostPromptBytes);
  EXPECT_EQ(settings.negative->size(), kMostPromptBytes);
  const std::string longer = "\"" + std::string(kMostPromptBytes + 1, 'x') + "\"";
  const std::string rule = ": expected text of at most 65536 bytes, got 65537 bytes";
  EXPECT_EQ(refusal(R"({"prompt": )" + longer + "}"), "prompt: cannot take prompt" + rule);
  EXPECT_EQ(refusal("negative_prompt", longer),
            "negative_prompt: cannot take negative_prompt" + rule);
}

TEST(Settings, NestingHasALimit) {
  EXPECT_EQ(refusal(std::string(5000, '[')),
            "settings: the settings must be a JSON object, not a list");
  EXPECT_EQ(refusal("prompt", std::string(5000, '[')),
            "settings: the settings are nested more than 64 deep");
}

TEST(Settings, TooLongATextIsRefusedUnparsed) {
  const std::string text = R"({"prompt": ")" + std::string(900'000, 'x') + "\"}";
  try {
    parse_settings(text);
    FAIL();
  } catch (const HttpError& error) {
    EXPECT_EQ(error.response().status, 413);
    EXPECT_EQ(json::parse(error.response().body.whole())["error"]["code"], "too_large");
  }
}

TEST(Settings, BecomeThePipelinesRequest) {
  const Request request = request_of(
      parse_settings(R"({"prompt": "p", "negative_prompt": "n", "width": 64, "height": 72,
      "steps": 3, "guidance": 2, "identity_strength": 0.5, "adapter_strength": 0.25, "seed": 9,
      "identity_start": 0.5, "identity_end": 0.75, "vae_tiling": true})"),
      RequestDefaults(4));
  EXPECT_EQ(request.prompt, "p");
  EXPECT_EQ(request.negative, "n");
  EXPECT_EQ(request.width, 64);
  EXPECT_EQ(request.height, 72);
  EXPECT_EQ(request.steps, 3);
  EXPECT_EQ(request.guidance, 2);
  EXPECT_EQ(request.identity_strength, 0.5F);
  EXPECT_EQ(request.adapter_strength, 0.25F);
  EXPECT_EQ(request.seed, 9U);
  EXPECT_EQ(request.identity_start, 0.5);
  EXPECT_EQ(request.identity_end, 0.75);
  EXPECT_TRUE(request.vae_tiling);
  EXPECT_EQ(request_of(parse_settings(R"({"prompt": "p"})"), RequestDefaults(4)).guidance, 4);
}

TEST(Settings, APhotosShapeCannotExceedTheLongestSide) {
  const JobRequest settings{{.prompt = "p", .negative = {}}};
  EXPECT_EQ(size_of(settings, {4000, 3000}, 1024), (Size{1152, 896}));
  EXPECT_EQ(size_of({{.prompt = "p", .negative = {}, .width = 64, .height = 72}}, {20000, 1}, 1024),
            (Size{64, 72}));
  semblance::testing::expect_error(ErrorKind::kArgument,
                                   "cannot make a picture of 16384x64, the photo's shape", [&] {
                                     size_of(settings, {20000, 1}, 1024);
                                   });
}

}  // namespace
}  // namespace semblance::service
