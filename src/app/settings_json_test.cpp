// What the service and the C API share; the service's tests cover every key.
#include "app/settings_json.h"

#include <gtest/gtest.h>

namespace semblance {
namespace {

/// "key: text" of the refusal, or "no error".
std::string refusal(const std::string& text, Asker asker, PictureCounts* counts = nullptr) {
  try {
    parse_settings(text, asker, counts);
  } catch (const SettingsError& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kArgument);
    return error.key() + ": " + error.what();
  }
  return "no error";
}

TEST(SettingsJson, HaveTheLimitsOfTheAsker) {
  const std::string steps = R"({"prompt": "p", "steps": 1000})";
  EXPECT_EQ(parse_settings(steps, Asker::kUser).steps, 1000);
  EXPECT_EQ(refusal(steps, Asker::kService),
            "steps: cannot take steps: expected a whole number from 1 to 100, got 1000");
  EXPECT_EQ(refusal(R"({"prompt": "p", "steps": 1001})", Asker::kUser),
            "steps: cannot take steps: expected a whole number from 1 to 1000, got 1001");
}

TEST(SettingsJson, HaveCountsOnRequest) {
  const std::string three = R"({"prompt": "p", "count": 3, "best_of": 2})";
  PictureCounts counts;
  parse_settings(three, Asker::kUser, &counts);
  EXPECT_EQ(counts.count, 3);
  EXPECT_EQ(counts.best_of, 2);
  EXPECT_EQ(refusal(three, Asker::kUser), "count: there is no setting 'count'");
  EXPECT_EQ(refusal(R"({"prompt": "p", "cont": 3})", Asker::kUser, &counts),
            "cont: there is no setting 'cont', did you mean count?");
}

TEST(SettingsJson, TakeNamesInAnySpelling) {
  const Request request = parse_settings(
      R"({"prompt": "p", "scheduler": "DPM++ 2M", "sigmas": "Karras", "noise": "CUDA:RTX 3090"})",
      Asker::kUser);
  EXPECT_EQ(request.scheduler, Choice("dpmpp_2m"));
  EXPECT_EQ(request.sigmas, Choice("karras"));
  EXPECT_EQ(request.noise, Choice("cuda:rtx_3090"));
  EXPECT_EQ(parse_settings(R"({"prompt": "p", "noise": "Torch"})", Asker::kUser).noise,
            Choice("cpu"));
  EXPECT_EQ(refusal(R"({"prompt": "p", "spacing": "leadin"})", Asker::kUser),
            "spacing: cannot take spacing: expected one of leading, trailing, linspace, got "
            "'leadin', did you mean leading?");
  EXPECT_EQ(refusal(R"({"prompt": "p", "prediction": 1})", Asker::kUser),
            "prediction: cannot take prediction: expected one of epsilon, v, got 1");
}

TEST(SettingsJson, LeaveAbsentValuesUnset) {
  const Request request = parse_settings(R"({"prompt": "p", "seed": null})", Asker::kUser);
  EXPECT_FALSE(request.seed);
  EXPECT_FALSE(request.guidance);
  EXPECT_FALSE(request.negative);
  EXPECT_EQ(request.width, 0);
}

}  // namespace
}  // namespace semblance
