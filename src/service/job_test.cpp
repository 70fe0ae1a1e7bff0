#include "service/job.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/errors.h"

namespace semblance::service {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;
using semblance::testing::expect_error;

const Time kNow = Time(std::chrono::milliseconds(1'800'000'000'123));

TEST(Job, StatesHaveNames) {
  for (const JobState state : {JobState::kQueued, JobState::kRunning, JobState::kDone,
                               JobState::kFailed, JobState::kCancelled})
    EXPECT_EQ(job_state(name_of(state)), state);
  expect_error(ErrorKind::kCorrupt, "there is no job state 'asleep'", [] { job_state("asleep"); });
  expect_error(ErrorKind::kCorrupt, "there is no job state '\xEF\xBF\xBD'",
               [] { job_state("\xff"); });
}

TEST(Job, TimesAreRfc3339) {
  EXPECT_EQ(time_text(kNow), "2027-01-15T08:00:00.123Z");
  EXPECT_EQ(time_text(kNow - 123ms), "2027-01-15T08:00:00.000Z");
  EXPECT_EQ(time_text(kNow - 116ms), "2027-01-15T08:00:00.007Z");
  EXPECT_EQ(time_text(Time(std::chrono::milliseconds(kMostTimeMs))), "9999-12-31T23:59:59.999Z");
}

TEST(Job, QueuedAsJson) {
  Job job{.id = "0123456789abcdef0123", .created = kNow};
  job.request.prompt = "x";
  job.progress.position = 2;
  const json value = to_json(job);
  EXPECT_EQ(value["id"], job.id);
  EXPECT_EQ(value["state"], "queued");
  EXPECT_EQ(value["position"], 2);
  EXPECT_EQ(value["created"], "2027-01-15T08:00:00.123Z");
  for (const char* key :
       {"started", "ended", "waiting", "seconds_left", "seconds_planned", "planned_bytes", "error"})
    EXPECT_TRUE(value.at(key).is_null()) << key;
  EXPECT_EQ(value["settings"], to_json(job.request));
  EXPECT_EQ(value["image"], 0);
  EXPECT_EQ(value["step"], 0);
  EXPECT_EQ(value["steps"], 30);
  EXPECT_EQ(value["images"], json::array());
  EXPECT_EQ(value["warnings"], json::array());
}

TEST(Job, WarningsAsJsonInTheServicesLanguage) {
  Job job{.id = "0123456789abcdef0123", .created = kNow};
  job.warnings = {{.kind = Warning::Kind::kPromptWeights},
                  {.kind = Warning::Kind::kPromptCut,
                   .in_negative = true,
                   .tokens = 77,
                   .detail = "on \"ice\""},
                  {.kind = Warning::Kind::kSampler, .detail = "DDIMScheduler"}};
  const json english = to_json(job)["warnings"];
  EXPECT_EQ(english[0], json({{"code", "prompt_weights"},
                              {"param", "prompt"},
                              {"message",
                               "prompt: weights such as (snow:1.3) or [snow] are read as plain "
                               "text, brackets included"},
                              {"detail", ""}}));
  EXPECT_EQ(english[1], json({{"code", "prompt_cut"},
                              {"param", "negative_prompt"},
                              {"message",
                               "negative_prompt: the model reads 77 tokens; cut off: "
                               "\"on \"ice\"\""},
                              {"detail", "on \"ice\""}}));
  EXPECT_EQ(english[2]["code"], "sampler");
  EXPECT_TRUE(english[2]["param"].is_null());
  set_language(Language::kSpanish);
  const std::vector<std::string> spanish = texts_of(job.warnings, language());
  EXPECT_EQ(to_json(job)["warnings"][1]["message"], spanish[1]);
  set_language(Language::kEnglish);
  EXPECT_EQ(spanish[1], "negative_prompt: el modelo lee 77 tokens; queda fuera: \"on \"ice\"\"");
}

TEST(Job, EndedAsJson) {
  Job job{.id = "0123456789abcdef0123",
          .state = JobState::kFailed,
          .created = kNow,
          .started = kNow + 1s,
          .ended = kNow + 2s};
  job.request.face = 3;
  job.request.keep_photo = true;
  job.pictures = {{{128, 64}, 18446744073709551615U}, {{8, 16}, 4, 0.5}};
  job.error = {"memory", "it did not fit", "photo"};
  job.progress = {.step = 4,
                  .stage = "steps",
                  .waiting = Waiting{"no room", 3},
                  .seconds_left = 1.5,
                  .seconds_planned = 9,
                  .planned_bytes = 7};
  const json value = to_json(job);
  EXPECT_EQ(value["state"], "failed");
  EXPECT_TRUE(value["position"].is_null());
  EXPECT_EQ(value["started"], "2027-01-15T08:00:01.123Z");
  EXPECT_EQ(value["ended"], "2027-01-15T08:00:02.123Z");
  EXPECT_EQ(value["face"], 3);
  EXPECT_EQ(value["keep_photo"], true);
  EXPECT_EQ(value["image"], 2);
  EXPECT_EQ(value["step"], 4);
  EXPECT_EQ(value["stage"], "steps");
  EXPECT_EQ(value["waiting"], json({{"message", "no room"}, {"tries", 3}}));
  EXPECT_EQ(value["seconds_left"], 1.5);
  EXPECT_EQ(value["seconds_planned"], 9);
  EXPECT_EQ(value["planned_bytes"], 7);
  EXPECT_EQ(value["images"][0], json({{"url", "/api/jobs/0123456789abcdef0123/images/0"},
                                      {"width", 128},
                                      {"height", 64},
                                      {"seed", 18446744073709551615U},
                                      {"likeness", nullptr}}));
  EXPECT_EQ(value["images"][1]["likeness"], 0.5);
  EXPECT_EQ(value["images"][1]["seed"], 4);
  EXPECT_EQ(value["error"],
            json({{"message", "it did not fit"}, {"code", "memory"}, {"param", "photo"}}));
}

TEST(Job, LongPromptsAreCutBetweenTwoCharacters) {
  JobRequest settings{{.prompt = std::string(1000, 'a'), .negative = std::string(1001, 'b')}};
  shorten_prompts(settings);
  EXPECT_EQ(settings.prompt, std::string(1000, 'a'));
  EXPECT_EQ(*settings.negative, std::string(997, 'b') + "\u2026");
  settings.prompt = "a";
  for (int i = 0; i < 1000; ++i) settings.prompt += "\u20ac";
  settings.negative.reset();
  shorten_prompts(settings);
  EXPECT_EQ(settings.prompt.size(), 1 + 3 * 332 + 3U);
  EXPECT_TRUE(settings.prompt.ends_with("\u20ac\u2026"));
  EXPECT_FALSE(settings.negative);
}

TEST(Job, KeptTextRoundTrips) {
  Job job{.id = "j", .begun = 1, .gain = {1, 7}};
  job.request.face = 2;
  job.request.keep_photo = true;
  job.request.prompt = "x";
  job.request.seed = 18446744073709551615U;
  job.pictures = {{{128, 64}, 5}, {{64, 64}, 6, -0.125}};
  job.request.count = 3;
  job.request.best_of = 4;
  job.tried = 2;
  job.best = {{64, 64}, 7, 0.25};
  job.warnings = {
      {.kind = Warning::Kind::kPromptCut, .in_negative = true, .tokens = 77, .detail = "ice"}};
  for (const JobError& error :
       {JobError{"device", "no \"disk\""}, JobError{"missing", "m", "pose"}}) {
    job.error = error;
    Job back{.id = "j"};
    take_kept_text(back, kept_text(job));
    EXPECT_EQ(kept_text(back), kept_text(job));
    EXPECT_EQ(back.error->param, error.param);
    EXPECT_EQ(back.warnings, job.warnings);
    EXPECT_EQ(back.made(), 10);
    EXPECT_EQ(back.pictures[1].likeness, -0.125);
    EXPECT_EQ(back.best.likeness, 0.25);
  }
}

TEST(Job, ADamagedKeptTextIsAnError) {
  Job whole{.id = "j"};
  whole.request.prompt = "x";
  whole.pictures = {{{128, 64}, 5}};
  const json kept = json::parse(kept_text(whole));
  const auto expect_corrupt = [](const std::string& text) {
    expect_error(ErrorKind::kCorrupt, "cannot read job j: ", [&] {
      Job job{.id = "j"};
      take_kept_text(job, text);
    });
  };
  for (const auto& [key, value] : kept.items()) {
    json less = kept;
    less.erase(key);
    // Earlier versions did not write these two.
    if (key != "gain" && key != "warnings") expect_corrupt(less.dump());
    json wrong = kept;
    wrong[key] = "text";
    expect_corrupt(wrong.dump());
  }
  for (const char* text : {"", "{", "null", "[]"}) expect_corrupt(text);
  json out_of_range = kept;
  out_of_range["settings"]["steps"] = 0;
  expect_corrupt(out_of_range.dump());
  const json warning{{"code", "sampler"}, {"negative", false}, {"tokens", 0}, {"detail", "x"}};
  for (const auto& [key, value] : std::vector<std::pair<std::string, json>>{
           {"code", "other"}, {"tokens", -1}, {"detail", std::string(201, 'x')}}) {
    json other = kept;
    other["warnings"][0] = warning;
    other["warnings"][0][key] = value;
    expect_corrupt(other.dump());
  }
  json odd = kept;
  odd["error"] = {"missing", "no face", "settings"};
  expect_corrupt(odd.dump());
  json half = kept;
  half["pictures"][0] = {128, 64};
  expect_corrupt(half.dump());
}

}  // namespace
}  // namespace semblance::service
