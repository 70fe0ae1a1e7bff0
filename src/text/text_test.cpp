#include "text/text_test.h"

#include <gtest/gtest.h>

#include <chrono>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "core/json.h"
#include "tests/support/errors.h"
#include "tests/support/golden.h"
#include "tests/support/sanitized.h"
#include "text/prompt.h"
#include "text/tokenizer.h"
#include "text/unicode.h"

namespace semblance {
namespace {

using testing::error_of;

std::vector<std::int32_t> ids_of(const Json& row, const std::string& key) {
  std::vector<std::int32_t> ids;
  for (const std::int64_t id : row.get_int_list(key)) ids.push_back(static_cast<std::int32_t>(id));
  return ids;
}

TEST(TokenizerGolden, EqualsTransformers) {
  const Tokenizer first = golden_tokenizer("first");
  const Tokenizer second = golden_tokenizer("second");
  const Tokenizer third = golden_tokenizer("third");
  EXPECT_EQ(first.max_length(), 77);
  EXPECT_EQ(first.pad_id(), first.end_id());
  EXPECT_EQ(second.pad_id(), 0);
  EXPECT_EQ(third.pad_id(), 0);
  EXPECT_EQ(first.size(), first.end_id() + 1);
  const auto rows = Json::load(testing::golden_path("text/ids.json")).items();
  ASSERT_GT(rows.size(), 300U);
  for (const Json& row : rows) {
    const std::string text = row.get_string("text");
    SCOPED_TRACE(row.child("text").value().dump(-1, ' ', true));
    EXPECT_EQ(first.tokenize(text), ids_of(row, "first"));
    EXPECT_EQ(second.tokenize(text), ids_of(row, row.has("second") ? "second" : "first"));
    EXPECT_EQ(third.tokenize(text), ids_of(row, row.has("third") ? "third" : "first"));
    const EncodedText encoded = first.encode(text, 77);
    std::vector<std::int32_t> want = ids_of(row, "first");
    if (row.has("encoded")) {
      want = ids_of(row, "encoded");
    } else {  // transformers only pads, so the golden has just the ids
      want.insert(want.begin(), first.start_id());
      want.resize(77, first.end_id());
    }
    EXPECT_EQ(encoded.ids, want);
    EXPECT_EQ(encoded.cut_text, row.get_string("cut"));
    EXPECT_EQ(static_cast<std::size_t>(encoded.cut_tokens),
              std::max<std::size_t>(75, first.tokenize(text).size()) - 75);
  }
}

TEST(TokenizerGolden, TheBuiltInVocabularyIsClips) {
  const Tokenizer first = Tokenizer::clip(0), second = Tokenizer::clip(1);
  EXPECT_EQ(first.size(), 49408);
  EXPECT_EQ(first.start_id(), 49406);
  EXPECT_EQ(first.end_id(), 49407);
  EXPECT_EQ(first.pad_id(), 49407);
  EXPECT_EQ(second.pad_id(), 0);
  EXPECT_EQ(second.max_length(), 77);
  const auto rows = Json::load(testing::golden_path("text/clip_ids.json")).items();
  ASSERT_GT(rows.size(), 100U);
  for (const Json& row : rows) {
    const std::string text = row.get_string("text");
    SCOPED_TRACE(row.child("text").value().dump(-1, ' ', true));
    EXPECT_EQ(first.tokenize(text), ids_of(row, "first"));
    EXPECT_EQ(second.tokenize(text), ids_of(row, row.has("second") ? "second" : "first"));
  }
  EXPECT_EQ(first.decode(first.tokenize("a caf\u00e9 in the snow")), "a caf\u00e9 in the snow");
}

TEST(Tokenizer, CutsAndPadsToAnyLength) {
  const Tokenizer tokenizer = golden_tokenizer("second");
  const auto start = tokenizer.start_id();
  const auto end = tokenizer.end_id();
  EXPECT_EQ(tokenizer.encode("a photo", 2).ids, (std::vector<std::int32_t>{start, end}));
  EXPECT_EQ(tokenizer.encode("a photo", 2).cut_text, "a photo");
  EXPECT_EQ(tokenizer.encode("", 4).ids, (std::vector<std::int32_t>{start, end, 0, 0}));
  EXPECT_EQ(tokenizer.encode("a photo", 3).cut_tokens, 1);
  EXPECT_EQ(tokenizer.encode("a photo", 3).cut_text, "photo");
  EXPECT_EQ(error_of([&] { tokenizer.encode("a", 1); }),
            "argument: cannot encode a prompt: a text encoder takes at least 2 tokens (start and "
            "end), got 1");
}

TEST(Tokenizer, NamesTheInvalidByte) {
  const Tokenizer tokenizer = golden_tokenizer("second");
  const auto error = [&](std::string_view text) {
    return error_of([&] { tokenizer.tokenize(text); });
  };
  EXPECT_EQ(error("a!b\xff"),
            "argument: cannot read a prompt: expected UTF-8 text, but byte 3 (0xff) is invalid\n"
            "  save or type the text as UTF-8");
  EXPECT_NE(error("\xc3").find("byte 0 (0xc3)"), std::string::npos);
  EXPECT_NE(error("ab\xed\xa0\x80").find("byte 2 (0xed)"), std::string::npos);    // a surrogate
  EXPECT_NE(error("\xc0\xaf").find("byte 0 (0xc0)"), std::string::npos);          // overlong
  EXPECT_NE(error("\xf4\x90\x80\x80").find("byte 0 (0xf4)"), std::string::npos);  // above U+10FFFF
  EXPECT_EQ(error("\xf4\x8f\xbf\xbf"), "no error");
}

TEST(Tokenizer, IsFastOnLongPrompts) {
  const Tokenizer tokenizer = golden_tokenizer("first");
  const unsigned length = testing::sweep(1'000'000);
  std::string marks = "a";
  for (unsigned i = 0; i < length / 4; ++i) marks += "\u0301\u0323";
  std::string pairs;
  for (unsigned i = 0; i < length / 2; ++i) pairs += "ab";
  const auto begin = std::chrono::steady_clock::now();
  for (const std::string& text :
       {std::string(length, 'a'), std::string(length, '!'), pairs, marks}) {
    EXPECT_GT(tokenizer.encode(text, 77).cut_tokens, 1000);
  }
  // In quadratic time each of them would take hours.
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(60));
}

TEST(Tokenizer, StopsOnRequest) {
  const Tokenizer tokenizer = golden_tokenizer("first");
  std::stop_source stop;
  EXPECT_EQ(tokenizer.tokenize("a b", stop.get_token()), tokenizer.tokenize("a b"));
  stop.request_stop();
  EXPECT_EQ(error_of([&] { tokenizer.encode("a b", 77, stop.get_token()); }),
            "cancelled: cancelled");
}

TEST(Unicode, ComposesCharactersKnownToThePackage) {
  EXPECT_EQ(compose_nfc(U"a\u030a\u0323"), U"\u1ea1\u030a");
  EXPECT_EQ(compose_nfc(U"\u1100\u1161\u11a8"), U"\uac01");
  EXPECT_EQ(compose_nfc(U"\U00011935\U00011930"), U"\U00011935\U00011930");  // Unicode 13: unknown
  EXPECT_EQ(compose_nfc(U"a\u0301\u08d3"), U"\u00e1\u08d3");  // a mark of Unicode 11 does not move
  EXPECT_EQ(lower_case(U"\u0130\u03a3\u1e9e\u01c5"), U"i\u0307\u03c3\u00df\u01c6");
  EXPECT_EQ(collapse_spaces(U"a \t\u3000b\u200bc\u0085"), U"a b\u200bc ");
  EXPECT_EQ(decode_utf8_lossy("a\xff"), U"a\ufffd");
}

TEST(Prompt, RecognisesWeightsByTheirOpeningBracket) {
  for (const char* prompt : {"(cat)", "a (cat:1.3)", "[cat]", "a ((b", "\\\\(cat)", "x \\) ["}) {
    EXPECT_TRUE(uses_prompt_weights(prompt)) << prompt;
  }
  for (const char* prompt :
       {"", "a cat", "\\(cat\\)", "smile :)", "a] b", "\\[x\\]", "x:1.3", "\\"}) {
    EXPECT_FALSE(uses_prompt_weights(prompt)) << prompt;
  }
}

// ---- Files with invalid content. Unknown bytes are "e", so that a few tokens suffice.

constexpr const char* kVocabulary =
    R"({"a": 0, "b": 1, "a</w>": 2, "b</w>": 3, "ab</w>": 4, "s": 5, "e": 6})";
const Files kSmall = {
    {"vocab.json", kVocabulary},
    {"merges.txt", "#version: 0.2\na b</w>\n"},
    {"tokenizer_config.json",
     R"({"bos_token": "s", "eos_token": "e", "unk_token": "e", "pad_token": "e"})"}};

Files with(Files files, const std::string& name, const std::string& text) {
  files[name] = text;
  return files;
}

std::string load_error(const Files& files) {
  const Folder folder(files);
  std::string error = error_of([&] { Tokenizer::load(folder.path()); });
  const std::string prefix = folder.path().string() + "/";
  for (auto at = error.find(prefix); at != std::string::npos; at = error.find(prefix)) {
    error.erase(at, prefix.size());
  }
  return error;
}

TEST(TokenizerFiles, ASmallVocabularyWorks) {
  const Folder folder(kSmall);
  const Tokenizer tokenizer = Tokenizer::load(folder.path());
  EXPECT_EQ(tokenizer.tokenize("ab AB x a"), (std::vector<std::int32_t>{4, 4, 6, 2}));
  EXPECT_EQ(tokenizer.start_id(), 5);
  EXPECT_EQ(tokenizer.max_length(), std::numeric_limits<int>::max());
  EXPECT_EQ(tokenizer.decode(std::vector<std::int32_t>{4, 2}), "ab a");
}

TEST(TokenizerFiles, ReadsATokenizerJsonOnItsOwn) {
  for (const char* merges : {R"(["a b</w>"])", R"([["a", "b</w>"]])"}) {
    const Folder folder({{"tokenizer.json", fmt::format(R"({{"model": {{"type": "BPE", "vocab": {},
        "merges": {}}}, "added_tokens": [{{"id": 7, "content": "<cat>"}}]}})",
                                                        kVocabulary, merges)},
                         {"tokenizer_config.json", kSmall.at("tokenizer_config.json")}});
    const Tokenizer tokenizer = Tokenizer::load(folder.path());
    EXPECT_EQ(tokenizer.tokenize("ab<CAT>b"), (std::vector<std::int32_t>{4, 7, 3}));
    EXPECT_EQ(tokenizer.size(), 8);
  }
}

TEST(TokenizerFiles, AddedTokensTakeTheNextIds) {
  const Folder folder(with(kSmall, "added_tokens.json", R"({"<dog>": 8, "<cat>": 7})"));
  const Tokenizer tokenizer = Tokenizer::load(folder.path());
  EXPECT_EQ(tokenizer.tokenize("a<dog><cat>"), (std::vector<std::int32_t>{2, 8, 7}));
}

TEST(TokenizerFiles, ReadsPythonsNoLimit) {
  const std::string limit = "1000000000000000019884624838656";
  const Folder folder(
      with(kSmall, "tokenizer_config.json",
           R"({"bos_token": "s", "unk_token": "e", "model_max_length": )" + limit + "}"));
  EXPECT_EQ(Tokenizer::load(folder.path()).max_length(), std::numeric_limits<int>::max());
}

TEST(TokenizerFiles, RejectsBrokenVocabularies) {
  const auto error = [](const std::string& text) {
    return load_error(with(kSmall, "vocab.json", text));
  };
  EXPECT_EQ(load_error({}), "missing: cannot open vocab.json: no such file");
  EXPECT_EQ(error("[]"), "corrupt: cannot read vocab.json: it must be an object, got a list of 0");
  EXPECT_EQ(error("{}"), "corrupt: cannot read vocab.json: it has no tokens");
  EXPECT_EQ(error(R"({"a": "x"})"),
            "corrupt: cannot read vocab.json: \"a\" must be an integer, got \"x\" (string)");
  EXPECT_EQ(
      error(R"({"a": 0, "b": 2})"),
      "corrupt: cannot read vocab.json: \"b\" must be an integer from 0 to 1, got 2 (integer)");
  EXPECT_EQ(error(R"({"a": 0, "b": 0})"),
            "corrupt: cannot read vocab.json: each id must have one token, 0 has \"a\" and \"b\"");
  EXPECT_EQ(error(R"({"a": null})"),
            "missing: cannot read vocab.json: \"a\" is missing and has no default");
  EXPECT_EQ(error(R"({"a": 0, "b": 1, "b</w>": 2, "ab</w>": 3})"),
            "corrupt: cannot read vocab.json: expected a token for every byte or an unknown token, "
            "got none for byte 0x00");
}

TEST(TokenizerFiles, RejectsBrokenMerges) {
  const auto error = [](const std::string& text) {
    return load_error(with(kSmall, "merges.txt", text));
  };
  Files without = kSmall;
  without.erase("merges.txt");
  EXPECT_EQ(load_error(without), "missing: cannot open merges.txt: No such file or directory");
  EXPECT_EQ(error("#version: 0.2\r\n\r\na b</w>\r\n"), "no error");
  EXPECT_EQ(error("a b</w> a"),
            "corrupt: cannot read merges.txt: line 1 must be two tokens separated by a space, got "
            "\"a b</w> a\"");
  EXPECT_EQ(error("a b</w>\nx\n").substr(0, 47), "corrupt: cannot read merges.txt: line 2 must be");
  EXPECT_EQ(error("\na \xff"),
            "corrupt: cannot read merges.txt: line 2 needs the token \"\\ufffd\", which vocab.json "
            "does not have");
  EXPECT_EQ(error("version https://git-lfs.github.com/spec/v1\n"),
            "corrupt: cannot read merges.txt: expected a list of merges, got a Git LFS pointer to "
            "it\n  fetch the file itself: git lfs pull");
  EXPECT_EQ(error("b a</w>"),
            "corrupt: cannot read merges.txt: line 1 needs the token \"ba</w>\", which vocab.json "
            "does not have");
  EXPECT_EQ(load_error({{"tokenizer.json", R"({"model": {"vocab": {"a": 0}, "merges": [1]}})"}}),
            "corrupt: cannot read tokenizer.json: merge 0 must be two tokens, got \"1\"");
  EXPECT_EQ(load_error({{"tokenizer.json", R"({"model": {"type": "Unigram"}})"}}),
            "corrupt: cannot read tokenizer.json: \"model.type\" must be \"BPE\", got \"Unigram\" "
            "(string)");
}

TEST(TokenizerFiles, RejectsUnsupportedSettings) {
  const auto error = [](const std::string& text) {
    return load_error(with(kSmall, "tokenizer_config.json", text));
  };
  const std::string prefix = "corrupt: cannot read tokenizer_config.json: ";
  EXPECT_EQ(error(R"({"padding_side": "left"})"),
            prefix + "\"padding_side\" must be \"right\", got \"left\" (string)");
  EXPECT_EQ(error(R"({"split_special_tokens": true})"),
            prefix + "\"split_special_tokens\" must be false, got true (boolean)");
  EXPECT_EQ(error(R"({"bos_token": 3})"),
            prefix + "\"bos_token\" must be a token (a string or an object), got 3 (integer)");
  EXPECT_EQ(error(R"({"bos_token": {"content": "s", "lstrip": true}})"),
            prefix +
                "\"bos_token.lstrip\" must be false (Semblance matches tokens exactly), got true "
                "(boolean)");
  EXPECT_EQ(error(R"({"extra_special_tokens": [1]})"),
            prefix + "\"extra_special_tokens\" must be a list of tokens, got a list of 1");
  EXPECT_EQ(error(R"({"unk_token": "e", "model_max_length": 1})"),
            prefix + "\"model_max_length\" must be an integer of at least 2, got 1 (integer)");
  EXPECT_EQ(error(R"({"unk_token": "e", "added_tokens_decoder": {"x": {}}})"),
            prefix + "a key of added_tokens_decoder must be an id, got \"x\"");
  EXPECT_EQ(error(R"({"unk_token": "e", "added_tokens_decoder": {"9": {"content": "<cat>"}}})"),
            prefix + "the added token \"<cat>\" must have id 7, got 9");
  EXPECT_EQ(error(R"({"unk_token": "e", "pad_token": ""})").substr(0, 20), "corrupt: cannot read");
}

}  // namespace
}  // namespace semblance
