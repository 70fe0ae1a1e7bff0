// Weights, groups and everything else of prompts, against tools/oracle/prompts.py.
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/json.h"
#include "tests/support/errors.h"
#include "tests/support/golden.h"
#include "tests/support/sanitized.h"
#include "text/language_hint.h"
#include "text/prompt_syntax.h"
#include "text/prompt_tokens.h"
#include "text/text_test.h"

namespace semblance {
namespace {

using testing::error_of;

const Json& goldens() {
  static const Json kGoldens = Json::load(testing::golden_path("text/prompts.json"));
  return kGoldens;
}

std::vector<std::vector<PromptPiece>> parts_in(const Json& row) {
  std::vector<std::vector<PromptPiece>> parts;
  for (const Json& part : row.child("parts").items()) {
    std::vector<PromptPiece>& pieces = parts.emplace_back();
    for (const Json& piece : part.items())
      pieces.push_back(
          {piece.items()[0].value().get<std::string>(), piece.items()[1].value().get<double>()});
  }
  return parts;
}

/// The groups as the goldens have them, of which the last may be short.
void expect_groups(const PromptGroups& got, const Json& want, const GroupShape& shape) {
  const std::vector<Json> ids = want.child("ids").items();
  const std::vector<Json> weights = want.child("weights").items();
  ASSERT_EQ(got.count(shape), ids.size());
  ASSERT_EQ(got.weights.size(), got.ids.size());
  EXPECT_EQ(static_cast<std::size_t>(got.last_length), ids.back().items().size());
  for (std::size_t g = 0; g < ids.size(); ++g) {
    for (std::size_t i = 0; i < ids[g].items().size(); ++i) {
      const std::size_t at = g * static_cast<std::size_t>(shape.length) + i;
      ASSERT_EQ(got.ids[at], ids[g].items()[i].value().get<int>()) << g << ' ' << i;
      // 16-bit floats have 11 bits.
      const double weight = weights[g].items()[i].value().get<double>();
      ASSERT_NEAR(got.weights[at], weight, std::abs(weight) / 2048) << g << ' ' << i;
    }
  }
}

TEST(PromptGolden, PiecesAndWeightsAreTheWebUis) {
  const std::vector<Json> rows = goldens().child("prompts").items();
  ASSERT_GT(rows.size(), 80U);
  for (const Json& row : rows) {
    const std::string prompt = row.get_string("prompt");
    SCOPED_TRACE(prompt);
    const ParsedPrompt parsed = parse_prompt(prompt);
    EXPECT_EQ(parsed.parts, parts_in(row));
    EXPECT_EQ(parsed.text, prompt);
  }
}

TEST(PromptGolden, GroupsAreTheWebUis) {
  const Tokenizer tokenizer = golden_tokenizer("first");
  const GroupShape shape = group_shape(tokenizer, 77);
  for (const Json& row : goldens().child("prompts").items()) {
    SCOPED_TRACE(row.get_string("prompt"));
    const PromptParts parts = tokens_of(parse_prompt(row.get_string("prompt")), tokenizer, {});
    expect_groups(a1111_groups(parts, shape), row.child("a1111"), shape);
  }
}

TEST(PromptGolden, WeightedGroupsAreThePublishedPipelines) {
  const Tokenizer tokenizer = golden_tokenizer("first");
  const GroupShape shape = group_shape(tokenizer, 77);
  for (const Json& row : goldens().child("pairs").items()) {
    SCOPED_TRACE(row.get_string("negative") + " | " + row.get_string("prompt"));
    const auto tokens = [&](const char* key) {
      return tokens_of(parse_prompt(row.get_string(key)), tokenizer, {});
    };
    const auto groups = weighted_groups(std::array{tokens("negative"), tokens("prompt")}, shape);
    const std::vector<Json> want = row.child("groups").items();
    for (std::size_t i = 0; i < 2; ++i) expect_groups(groups[i], want[i], shape);
  }
}

TEST(PromptTokens, WeightsAreRoundedTo16Bits) {
  const Tokenizer tokenizer = golden_tokenizer("first");
  const GroupShape shape = group_shape(tokenizer, 77);
  const PromptParts parts = tokens_of(parse_prompt("(a)(man:1.2)(cat:1.0001)"), tokenizer, {});
  const PromptGroups groups = weighted_groups(std::array<PromptParts, 1>{parts}, shape)[0];
  EXPECT_EQ(groups.weights[1], 1.099609375F);
  EXPECT_EQ(groups.weights[2], 1.2001953125F);
  EXPECT_EQ(groups.weights[3], 1.0F);  // and is skipped
  EXPECT_EQ(a1111_groups(parts, shape).weights[1], 1.1F);
}

TEST(PromptTokens, APlainGroupIsTheTokenizers) {
  const Tokenizer tokenizer = golden_tokenizer("second");
  const GroupShape shape = group_shape(tokenizer, 77);
  for (const std::string& text :
       {std::string(), std::string("a (photo)!"), std::string(300, 'x') + " the end"}) {
    const std::vector<std::int32_t> ids = ids_of(text, tokenizer, {});
    EXPECT_EQ(plain_group(ids, shape, tokenizer.pad_id()).ids, tokenizer.encode(text, 77).ids);
  }
}

TEST(PromptTokens, EmptyGroupsAndTheSecondEncodersFilling) {
  const Tokenizer tokenizer = golden_tokenizer("first");
  const GroupShape shape = group_shape(tokenizer, 5);
  const std::int32_t start = tokenizer.start_id();
  const std::int32_t end = tokenizer.end_id();
  PromptGroups groups = a1111_groups(tokens_of(parse_prompt("a"), tokenizer, {}), shape);
  const std::int32_t a = tokenizer.tokenize("a").front();
  add_empty_groups(groups, 2, shape);
  EXPECT_EQ(groups.ids,
            (std::vector<std::int32_t>{start, a, end, end, end, start, end, end, end, end}));
  EXPECT_EQ(groups.weights, std::vector<float>(10, 1));
  fill_behind_end(groups.ids, shape, 0);
  EXPECT_EQ(groups.ids, (std::vector<std::int32_t>{start, a, end, 0, 0, start, end, 0, 0, 0}));
}

TEST(PromptTokens, WordsOfVectorsTakeTheirPlace) {
  const Tokenizer tokenizer = golden_tokenizer("first");
  const std::vector<VectorWord> words{{"<cat-toy>", 0, 2}, {"Bad_Hand", 2, 3}, {"bad", 5, 1}};
  const auto id = [&](const char* text) { return tokenizer.tokenize(text).front(); };
  EXPECT_EQ(ids_of("a <CAT-toy>, a", tokenizer, words),
            (std::vector<std::int32_t>{id("a"), -1, -2, id(","), id("a")}));
  EXPECT_EQ(ids_of("bad_hand bad", tokenizer, words), (std::vector<std::int32_t>{-3, -4, -5, -6}));
  EXPECT_EQ(ids_of("(bad), badly", tokenizer, words).at(1), -6);
  EXPECT_EQ(ids_of("badly \u00e9bad bad\u00e9", tokenizer, words),
            tokenizer.tokenize("badly \u00e9bad bad\u00e9"));
  const PromptParts parts = tokens_of(parse_prompt("(bad_hand:1.5) a"), tokenizer, words);
  ASSERT_EQ(parts[0].size(), 4U);
  EXPECT_EQ(parts[0][0].together, 3);
  EXPECT_EQ(parts[0][1].together, 1);
  EXPECT_EQ(parts[0][1].weight, 1.5F);
  EXPECT_EQ(parts[0][3].weight, 1.0F);
}

TEST(PromptTokens, AGroupDoesNotDivideVectors) {
  const Tokenizer tokenizer = golden_tokenizer("first");
  const GroupShape shape = group_shape(tokenizer, 6);
  const std::vector<VectorWord> words{{"three", 0, 3}, {"five", 3, 5}};
  const auto id = [&](const char* text) { return tokenizer.tokenize(text).front(); };
  const std::int32_t start = tokenizer.start_id(), end = tokenizer.end_id();
  EXPECT_EQ(a1111_groups(tokens_of(parse_prompt("a a three"), tokenizer, words), shape).ids,
            (std::vector<std::int32_t>{start, id("a"), id("a"), end, end, end,  //
                                       start, -1, -2, -3, end, end}));
  // More than a group holds.
  EXPECT_EQ(a1111_groups(tokens_of(parse_prompt("five"), tokenizer, words), shape).ids,
            (std::vector<std::int32_t>{start, -4, -5, -6, -7, end, start, -8, end, end, end, end}));
}

TEST(PromptTokens, AreEstimatedWithoutATokenizer) {
  EXPECT_EQ(estimated_tokens(""), 0);
  EXPECT_EQ(estimated_tokens("a man, in the snow!"), 7);
  EXPECT_EQ(estimated_tokens("35mm photorealistic"), 5);
}

TEST(PromptSyntax, TakesOutLoras) {
  const ParsedPrompt parsed = parse_prompt(
      "a <lora:film:0.8> man<lyco: b : 1 : -0.5 ><lora:c><lora:d:te=0.2:unet=0.4:dyn=8>"
      "<lora:film:1e-1>");
  EXPECT_EQ(parsed.text, "a  man");
  EXPECT_EQ(
      parsed.loras,
      (std::vector<LoraTag>{
          {"film", 0.8, 0.8}, {"b", -0.5, 1}, {"c", 1, 1}, {"d", 0.4, 0.2}, {"film", 0.1, 0.1}}));
  EXPECT_TRUE(parsed.is_plain);
  for (const char* text : {"<lora:", "<lora:>", "<lora", "a < b", "<b:x>", "<<", "<lora:x"}) {
    EXPECT_EQ(parse_prompt(text).text, text);
    EXPECT_TRUE(parse_prompt(text).loras.empty());
  }
  EXPECT_EQ(error_of([] { parse_prompt("<lora:x:much>"); }),
            "argument: cannot read <lora:x:much>: expected a weight from -100 to 100, got 'much'\n"
            "  write <lora:NAME:0.8>");
  EXPECT_NE(error_of([] { parse_prompt("<lora:x:nan>"); }).find("got 'nan'"), std::string::npos);
  EXPECT_NE(error_of([] { parse_prompt("<lora:x:1:101>"); }).find("got '101'"), std::string::npos);
  EXPECT_EQ(error_of([] { parse_prompt("<lora::1>"); }),
            "argument: cannot read <lora::1>: expected the LoRA's name, got none\n"
            "  write <lora:NAME:0.8>");
}

TEST(PromptSyntax, KnowsTextWithoutSyntax) {
  for (const char* prompt : {"", " ", "a man, in the snow!", "smile :)", "a] b", "x:1.3"})
    EXPECT_TRUE(parse_prompt(prompt).is_plain) << prompt;
  for (const char* prompt :
       {"(a)", "[a]", "(a:1.0)", "\\(a\\)", "a BREAK b", "((", "a \\ b", "BREAK"})
    EXPECT_FALSE(parse_prompt(prompt).is_plain) << prompt;
}

TEST(PromptSyntax, MayBeText) {
  const ParsedPrompt parsed = parse_plain_prompt("a (man:1000) BREAK \\( <lora:b:0.5>c");
  EXPECT_EQ(parsed.text, "a (man:1000) BREAK \\( c");
  EXPECT_EQ(parsed.parts, (std::vector<std::vector<PromptPiece>>{{{parsed.text, 1}}}));
  EXPECT_EQ(parsed.loras, (std::vector<LoraTag>{{"b", 0.5, 0.5}}));
  EXPECT_TRUE(parsed.is_plain && parsed.schedule.empty() && !parsed.has_and);
  EXPECT_TRUE(parse_plain_prompt("").parts.at(0).empty());
}

TEST(PromptSyntax, FindsWhatOnlyTheWebUiHas) {
  EXPECT_EQ(parse_prompt("a [cat:dog:0.5] b [c|d]").schedule, "[cat:dog:0.5]");
  EXPECT_EQ(parse_prompt("[[a]:5]").schedule, "[[a]:5]");
  EXPECT_EQ(parse_prompt("([a|b|c]:1.2)").schedule, "[a|b|c]");
  EXPECT_EQ(parse_prompt("[a:1.3]").schedule, "[a:1.3]");
  for (const char* prompt : {"[a]", "[(a:1.3)]", "\\[a|b\\]", "a|b", "[a:b]", "[a|b", "[a:]"})
    EXPECT_EQ(parse_prompt(prompt).schedule, "") << prompt;
  EXPECT_TRUE(parse_prompt("a cat AND a dog").has_and);
  EXPECT_FALSE(parse_prompt("SAND, and AND_ HAND").has_and);
}

TEST(PromptSyntax, RefusesWeightsThatLeaveNoPicture) {
  EXPECT_EQ(error_of([] { parse_prompt("a (man:1000)"); }),
            "argument: cannot read the weight of 'man': expected a number from -100 to 100, got "
            "1000\n  write \\( and \\[ for brackets that are no weights");
  EXPECT_EQ(error_of([] { parse_prompt(std::string(48, '(') + "a"); }), "no error");
  EXPECT_NE(error_of([] { parse_prompt(std::string(49, '(') + "a"); }).find("106.7"),
            std::string::npos);
  // Digits that are no number are text.
  EXPECT_EQ(parse_prompt("(a:1.2.3)").parts[0][0], (PromptPiece{"a:1.2.3", 1.1}));
}

TEST(PromptSyntax, TakesLongPromptsInStride) {
  const auto begin = std::chrono::steady_clock::now();
  for (const char* piece : {"(a", "[a", "(a)", ":1", "\\", "BREAK ", "AND", "<lora:", "[a|"}) {
    std::string prompt;
    while (prompt.size() < testing::sweep(65536)) prompt += piece;
    error_of([&] { parse_prompt(prompt); });
  }
  constexpr unsigned kThird = testing::sweep(21845);
  std::string nested(kThird, '[');
  nested.append(kThird, 'a').append(kThird, ']');
  parse_prompt(nested);
  EXPECT_LT(std::chrono::steady_clock::now() - begin,
            std::chrono::seconds(testing::kSanitized ? 120 : 20));
}

TEST(LanguageHint, KnowsEnglishFromOthers) {
  for (const char* prompt :
       {"", "a man in the snow", "1girl, solo, masterpiece", "portrait of Maria de la Cruz, oil",
        "caf\u00e9 in Paris", "die hard, no smile", "El Greco", "(snow:1.3)", "analog film photo",
        "a photo of the na\u00efve artist Jean du Bois in a caf\u00e9"})
    EXPECT_FALSE(looks_not_english(prompt)) << prompt;
  for (const char* prompt :
       {"un hombre en la nieve", "ein Mann mit Hut im Schnee", "un homme dans la neige",
        "um homem na neve com um chap\u00e9u", "un uomo nella neve di notte",
        "\u96ea\u306e\u4e2d\u306e\u7537", "\u043c\u0443\u0436\u0447\u0438\u043d\u0430 photo",
        "retrato de una mujer con flores"})
    EXPECT_TRUE(looks_not_english(prompt)) << prompt;
}

}  // namespace
}  // namespace semblance
