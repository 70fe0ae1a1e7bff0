// Long and weighted prompts against tools/oracle/prompts.py, and what a plan knows of them.
#include "pipeline/prompts_test.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "face/identity.h"
#include "pipeline/pipeline.h"
#include "tests/support/errors.h"
#include "tests/support/golden.h"
#include "weights/safetensors.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;
using testing::error_of;
using testing::expect_error;

class PromptGoldens : public ::testing::TestWithParam<std::string> {};

TEST_P(PromptGoldens, AreAgreedWith) {
  const OpenedModels models = models_of(GetParam());
  const auto file = open_file(folder_of(GetParam()) / "prompts.safetensors");
  const WeightMap goldens = read_safetensors(file);
  const std::vector<Json> pairs =
      Json::parse("pairs", read_safetensors_metadata(*file).at("pairs")).items();
  ASSERT_GE(pairs.size(), 2U);
  for (const std::string encoding : {"weighted", "a1111"}) {
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      const auto text = [&](std::size_t at) {
        return pairs[i].items()[at].value().get<std::string>();
      };
      const std::string name = fmt::format("{}.{}", encoding, i);
      SCOPED_TRACE(name + " " + text(0) + " | " + text(1));
      const Request request = request_for(text(1), text(0), encoding);
      const Values values = encoded(models, request);
      ASSERT_EQ(values.at("text").type.shape, goldens.find(name + ".conditioning")->shape);
      testing::expect_close(values.at("text").f32(), golden(goldens, name + ".conditioning"));
      testing::expect_close(values.at("pooled").f32(), golden(goldens, name + ".pooled"));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, PromptGoldens,
                         ::testing::Values("fp16_published", "bf16_shards", "fp32_convolutions"),
                         [](const auto& info) { return info.param; });

TEST(Prompts, AutoIsPlainWhereThatIsAll) {
  const OpenedModels models = models_of("fp16_published");
  const auto encoding = [&](const std::string& prompt, std::optional<std::string> negative) {
    return read_prompts(models, request_for(prompt, std::move(negative))).layout.encoding;
  };
  std::string fits = "a";
  for (int i = 1; i < 75; ++i) fits += " a";
  EXPECT_EQ(encoding(fits, "blurry"), PromptEncoding::kPlain);
  EXPECT_EQ(encoding(fits + " a", {}), PromptEncoding::kWeighted);
  EXPECT_EQ(encoding("a", fits + " a"), PromptEncoding::kWeighted);
  for (const char* prompt : {"(a)", "[a]", "a BREAK b", "\\(a\\)"})
    EXPECT_EQ(encoding(prompt, {}), PromptEncoding::kWeighted) << prompt;
  for (const char* prompt : {"a :)", "x:1.3", "<lora:film:1> a", ""})
    EXPECT_EQ(encoding(prompt, {}), PromptEncoding::kPlain) << prompt;
  Request request = request_for("a", "(b)");
  request.guidance = 1;  // the negative prompt is not read
  EXPECT_EQ(read_prompts(models, request).layout.encoding, PromptEncoding::kPlain);
}

TEST(Prompts, APlainOneIsAsItWas) {
  const OpenedModels models = models_of("fp16_published");
  for (const std::string& prompt : {std::string("a (man:1000) BREAK b"), std::string(300, 'x')}) {
    const PromptInputs read = read_prompts(models, request_for(prompt, "blurry", "plain"));
    EXPECT_EQ(read.layout.tokens, 77);
    EXPECT_EQ(read.layout.groups, 1);
    for (std::size_t encoder = 0; encoder < 2; ++encoder) {
      std::vector<std::int32_t> want = models.tokenizers[encoder].encode("blurry", 77).ids;
      const std::vector<std::int32_t> second = models.tokenizers[encoder].encode(prompt, 77).ids;
      want.insert(want.end(), second.begin(), second.end());
      EXPECT_EQ(read.ids[encoder], want);
    }
    EXPECT_EQ(read.weights, std::vector<float>(2 * 77, 1));
  }
}

TEST(Prompts, AnAbsentNegativeIsZerosOrAnEmptyText) {
  const OpenedModels models = models_of("fp16_published");
  const auto prompts = [&](const char* encoding, std::optional<std::string> negative) {
    return read_prompts(models, request_for("a", std::move(negative), encoding)).layout.prompts;
  };
  EXPECT_EQ(prompts("plain", {}), 1);
  EXPECT_EQ(prompts("plain", ""), 2);
  EXPECT_EQ(prompts("weighted", {}), 2);
  EXPECT_EQ(prompts("a1111", {}), 1);
  EXPECT_EQ(prompts("a1111", ""), 1);
  EXPECT_EQ(prompts("a1111", "b"), 2);
  // An absent one is an empty one in the encoding that has no zeros.
  const Values absent = encoded(models, request_for("(a)", {}, "weighted"));
  const Values empty = encoded(models, request_for("(a)", "", "weighted"));
  EXPECT_TRUE(std::ranges::equal(absent.at("text").f32(), empty.at("text").f32()));
}

TEST(Prompts, LorasLeaveTheText) {
  const OpenedModels models = models_of("fp16_published");
  for (const char* encoding : {"auto", "plain", "weighted", "a1111"}) {
    const Request with = request_for("a <lora:film:0.5>b", "", encoding);
    EXPECT_EQ(read_prompts(models, with).ids,
              read_prompts(models, request_for("a b", "", encoding)).ids);
    EXPECT_EQ(loras_of(with), std::vector<std::string>{"film:0.5"});
  }
  Request both = request_for("a <lora:film:1><lora:b:0.5:2>", "<lora:no:1>");
  both.loras = {"/x/film.safetensors:0.8"};
  EXPECT_EQ(loras_of(both),
            (std::vector<std::string>{"/x/film.safetensors:0.8", "film", "b:2:0.5"}));
}

TEST(Prompts, AreRefusedBeforeAnythingRuns) {
  const auto checked = [](const std::string& prompt, const std::string& encoding) {
    return error_of([&] { check(request_for(prompt, {}, encoding)); });
  };
  EXPECT_EQ(checked(std::string(100'000, 'a'), "auto"),
            "argument: cannot take prompt: expected text of at most 65536 bytes, got 100000 bytes");
  EXPECT_EQ(checked("a", "a111"),
            "argument: cannot take encoding: expected one of auto, plain, weighted, a1111, got "
            "'a111', did you mean a1111?");
  EXPECT_NE(checked("(a:1e)", "auto"), "");
  EXPECT_NE(checked("(a:101)", "a1111").find("expected a number from -100 to 100, got 101"),
            std::string::npos);
  EXPECT_EQ(checked("(a:101)", "plain"), "no error");
  EXPECT_NE(checked("<lora:a:b>", "plain").find("cannot read <lora:a:b>"), std::string::npos);
  EXPECT_NE(checked("<lora:../a:1>", "auto").find("cannot take <lora:../a> in the prompt"),
            std::string::npos);
  std::string many;
  for (int i = 0; i < 17; ++i) many += "<lora:a:1>";
  EXPECT_EQ(checked(many, "auto"),
            "argument: cannot take the LoRAs of the prompt: expected at most 16 in all, got 17");
}

TEST(Prompts, ASecondEncoderMustKnowTheIds) {
  OpenedModels models = models_of("fp16_published");
  models.clip[1].vocab_size = 100;
  expect_error(ErrorKind::kShape,
               "expected a second text encoder with at least the first "
               "tokenizer's ",
               [&] { read_prompts(models, request_for("(a)", {})); });
  EXPECT_EQ(read_prompts(models, request_for("a", {})).layout.tokens, 77);
}

TEST(Prompts, StopOnRequest) {
  const OpenedModels models = models_of("fp16_published");
  std::stop_source stop;
  stop.request_stop();
  expect_error(ErrorKind::kCancelled, "",
               [&] { read_prompts(models, request_for("(a) b", {}), stop.get_token()); });
}

// ---- The plan

TEST(PromptPlan, KnowsTheTextsLength) {
  const OpenedModels models = models_of("fp16_published");
  std::string prompt = "a";
  for (int i = 1; i < 160; ++i) prompt += " a";
  for (const auto& [encoding, tokens, groups] :
       {std::tuple{"plain", 77, 1}, {"weighted", 160 + 6, 3}, {"a1111", 3 * 77, 3}}) {
    const Request request = request_for(prompt, "b", encoding);
    const PromptLayout layout = read_prompts(models, request).layout;
    EXPECT_EQ(layout.tokens, tokens);
    const std::vector<Stage> stages = stages_of(models, request, DType::kF32, {});
    EXPECT_EQ(find_stage(stages, StageId::kTextEncoder2)->runs, groups);
    const Graph graph = find_stage(stages, StageId::kDenoiser)->graph();
    EXPECT_EQ(graph.type(graph.find_input("text")).shape, (Shape{2, tokens, 64}));
  }
}

/// Of models that are not there.
TEST(PromptPlan, EstimatesWithoutTokenizers) {
  const OpenedModels models = assume_models({}).models;
  const auto layout = [&](const std::string& prompt, const std::string& negative,
                          const char* encoding) {
    return read_prompts(models, request_for(prompt, negative, encoding)).layout;
  };
  std::string long_prompt;
  for (int i = 0; i < 100; ++i) long_prompt += "snow ";
  EXPECT_EQ(layout("a man", "", "auto").tokens, 77);
  EXPECT_EQ(layout("a man", "", "auto").encoding, PromptEncoding::kPlain);
  EXPECT_EQ(layout("a (man)", "", "auto").tokens, 2 + 2);
  EXPECT_EQ(layout(long_prompt, "b", "auto").tokens, 100 + 4);
  EXPECT_EQ(layout("a", long_prompt, "weighted").groups, 2);
  EXPECT_EQ(layout("a", long_prompt, "a1111").tokens, 2 * 77);
  EXPECT_EQ(layout("a BREAK b BREAK c", "", "a1111").tokens, 3 * 77);
  EXPECT_EQ(layout("a BREAK b", "", "weighted").tokens, 75 + 1 + 4);
  EXPECT_EQ(layout(long_prompt, "", "plain").tokens, 77);
  EXPECT_TRUE(read_prompts(models, request_for("a", {})).ids[0].empty());
}

TEST(PromptPlan, IsKeptAndGivesTheSameBits) {
  const fs::path folder = folder_of("fp16_published");
  const ModelPaths paths = testing::models_in(folder / "checkpoint");
  const Identity person = read_identity(folder / "plain/identity.json");
  std::string prompt = "(a man:1.3)";
  for (int i = 0; i < 120; ++i) prompt += ", [snow] a";
  Request request = request_for(prompt, "blurry", "a1111");
  request.steps = 2;
  const auto run = [&](const PipelineOptions& options) {
    Pipeline pipeline(paths, options);
    Generation generation =
        pipeline.start(request, person.embedding, scale_keypoints(person, {64, 64}));
    while (generation.next()) {
    }
    return generation.latent();
  };
  const std::vector<float> all = run({.precision = Precision::kF32});
  int fitting = 0;
  for (const std::uint64_t kib : {2400, 3600, 5000, 8000, 24000}) {
    PipelineOptions options{.precision = Precision::kF32};
    options.workspace.places_bytes = kib << 10U;
    try {
      EXPECT_EQ(run(options), all) << kib;
      ++fitting;
    } catch (const Error& error) {
      ASSERT_EQ(error.kind(), ErrorKind::kMemory) << kib << ": " << error.what();
    }
  }
  EXPECT_GE(fitting, 3);
}

// ---- Warnings

TEST(PromptWarnings, TellWhatThePictureWillNotHave) {
  const Pipeline pipeline(testing::models_in(folder_of("fp16_published") / "checkpoint"),
                          {.precision = Precision::kF32});
  const auto found = [&](const Request& request) {
    std::vector<std::string> texts;
    for (const Warning& warning : pipeline.warnings(request))
      texts.push_back(fmt::format("{}{} {}", warning.in_negative ? "negative " : "",
                                  code_of(warning.kind), warning.detail));
    return texts;
  };
  using Texts = std::vector<std::string>;
  std::string long_prompt = "in the snow";
  for (int i = 0; i < 100; ++i) long_prompt += ", snow";
  EXPECT_EQ(found(request_for(long_prompt + " (man:1.2)", "[b]")), Texts{});
  EXPECT_EQ(found(request_for("a [cat:dog:0.5]", "a AND b")),
            (Texts{"prompt_schedule [cat:dog:0.5]", "negative prompt_and "}));
  EXPECT_EQ(found(request_for("a [cat:dog:0.5] AND b", {}, "plain")), Texts{"prompt_weights "});
  EXPECT_EQ(found(request_for("a man", "a <lora:film:1> <lora:b:0.5>")),
            Texts{"negative prompt_lora film, b"});
  const std::string styles =
      "prompt_language Watercolor, Film Noir, Neon, Jungle, Mars, Vibrant Color, Snow, Line art";
  EXPECT_EQ(found(request_for("un hombre en la nieve", {})), Texts{styles});
  EXPECT_EQ(found(request_for("a man", "\u96ea\u306e\u4e2d")), Texts{"negative " + styles});
}

}  // namespace
}  // namespace semblance
