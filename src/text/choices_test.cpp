// Styles, wildcards and files of prompts.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "tests/support/errors.h"
#include "text/styles.h"
#include "text/text_lines.h"
#include "text/text_test.h"
#include "text/wildcards.h"

namespace semblance {
namespace {

using testing::error_of;
using testing::expect_error;

/// A text without the folder's name.
std::string without(std::string text, const Folder& folder) {
  const std::string name = folder.path().string();
  for (auto at = text.find(name); at != std::string::npos; at = text.find(name))
    text.replace(at, name.size(), "DIR");
  return text;
}

// ---- Styles

std::pair<std::string, std::optional<std::string>> styled(const Style& style, std::string prompt,
                                                          std::optional<std::string> negative) {
  apply(style, prompt, negative);
  return {prompt, negative};
}

TEST(Styles, TheNineOfThePublishedDemo) {
  const Styles styles;
  EXPECT_EQ(styles.names(),
            (std::vector<std::string_view>{"(No style)", "Watercolor", "Film Noir", "Neon",
                                           "Jungle", "Mars", "Vibrant Color", "Snow", "Line art"}));
  for (const Style& style : styles.all()) {
    const auto [prompt, negative] = styled(style, "a woman", "ugly");
    const bool is_none = style.name == kNoStyle;
    EXPECT_NE(prompt.find("a woman"), std::string::npos) << style.name;
    EXPECT_EQ(prompt == "a woman", is_none) << style.name;
    EXPECT_TRUE(negative->ends_with("ugly"));
    EXPECT_EQ(*negative == "ugly", is_none) << style.name;
  }
  EXPECT_EQ(styled(styles.find(kNoStyle, "x"), "a", {}).second, std::nullopt);
  EXPECT_EQ(&styles.find("film noir", "x"), &styles.find("Film Noir", "x"));
}

TEST(Styles, AnUnknownNameIsToldTheNearest) {
  EXPECT_EQ(error_of([] { Styles().find("Watercolour", "--style"); }),
            "argument: cannot take --style: there is no style 'Watercolour', did you mean "
            "Watercolor?\n  there are: (No style), Watercolor, Film Noir, Neon, Jungle, Mars, "
            "Vibrant Color, Snow, Line art");
}

TEST(Styles, ReadsTheWebUisTable) {
  const Folder folder(
      Files{{"styles.csv",
             "\xef\xbb\xbfname,prompt,negative_prompt\r\n"
             "None,,\r\n"
             "Oil, \"oil painting, \"\"old\"\" master\", \"photo, {prompt}\"\r\n\r\n"
             "Around,best {prompt} and {prompt},\"line\nbreak\"\r\n"
             "Snow,mine\n"
             ",no name,\n"}});
  const Styles styles(folder.path() / "styles.csv");
  EXPECT_EQ(styles.all().size(), 4U + 9U);
  EXPECT_EQ(styled(styles.find("Oil", "x"), " a man ", "bad"),
            (std::pair<std::string, std::optional<std::string>>{
                "a man, oil painting, \"old\" master", "photo, bad"}));
  EXPECT_EQ(
      styled(styles.find("Around", "x"), "cat", "bad"),
      (std::pair<std::string, std::optional<std::string>>{"best cat and cat", "bad, line\nbreak"}));
  EXPECT_EQ(styled(styles.find("Around", "x"), "cat", {}).second, "line\nbreak");
  EXPECT_EQ(styled(styles.find("Snow", "x"), "cat", {}).first, "cat, mine");
  EXPECT_EQ(styled(styles.find("None", "x"), "cat", {}),
            (std::pair<std::string, std::optional<std::string>>{"cat", std::nullopt}));
}

TEST(Styles, ReadsOlderTablesAndJson) {
  const Folder folder(Files{{"old.csv", "name,text\nOil,oil painting\n"},
                            {"list.json", R"( [{"name": "Oil", "prompt": "{prompt} in oil",
                           "negative_prompt": "photo"}, {"name": "Bare", "prompt": "bare"}])"}});
  EXPECT_EQ(styled(Styles(folder.path() / "old.csv").find("oil", "x"), "cat", {}).first,
            "cat, oil painting");
  const Styles list(folder.path() / "list.json");
  EXPECT_EQ(styled(list.find("Oil", "x"), "cat", "bad"),
            (std::pair<std::string, std::optional<std::string>>{"cat in oil", "photo bad"}));
  EXPECT_EQ(styled(list.find("Bare", "x"), "cat", {}).first, "cat, bare");
}

TEST(Styles, RefusesOtherFiles) {
  const Folder folder(Files{{"columns.csv", "a,b\n1,2\n"},
                            {"empty.csv", ""},
                            {"quote.csv", "name,prompt\na,b\nc,\"d\n"},
                            {"bytes.csv", "name,prompt\na,\xff\n"},
                            {"object.json", "{\"name\": \"a\"}"},
                            {"lacks.json", "[{\"name\": \"a\"}]"},
                            {"nameless.json", "[{\"name\": \"\", \"prompt\": \"a\"}]"},
                            {"number.json", "[{\"name\": \"a\", \"prompt\": 1}]"},
                            {"cut.json", "[{\"name\""}});
  const auto error = [&](const char* name) {
    return without(error_of([&] { Styles(folder.path() / name); }), folder);
  };
  EXPECT_EQ(error("columns.csv"),
            "corrupt: cannot read DIR/columns.csv: expected a first line with the columns name, "
            "prompt and negative_prompt, got 'a,b'\n  a style file is a styles.csv, or a JSON list "
            "of {\"name\", \"prompt\", \"negative_prompt\"}");
  EXPECT_NE(error("empty.csv").find("got ''"), std::string::npos);
  EXPECT_EQ(error("quote.csv"),
            "corrupt: cannot read DIR/quote.csv: the quote in line 3 is never closed");
  EXPECT_TRUE(error("bytes.csv").starts_with("corrupt: cannot read DIR/bytes.csv: "));
  EXPECT_NE(error("object.json").find("must be a list"), std::string::npos) << error("object.json");
  EXPECT_TRUE(error("lacks.json").starts_with("missing: ")) << error("lacks.json");
  EXPECT_NE(error("nameless.json").find("a text that is not empty"), std::string::npos);
  EXPECT_TRUE(error("number.json").starts_with("corrupt: ")) << error("number.json");
  EXPECT_TRUE(error("cut.json").starts_with("corrupt: ")) << error("cut.json");
  EXPECT_TRUE(error("none.csv").starts_with("missing: ")) << error("none.csv");
}

// ---- Files of prompts

TEST(PromptFile, HasAPromptALine) {
  const Folder folder(Files{{"p.txt", "\xef\xbb\xbf a man \r\n\n# 1\n\tb"}, {"none.txt", " \n\n"}});
  EXPECT_EQ(read_prompts(folder.path() / "p.txt", 3, 10),
            (std::vector<std::string>{"a man", "# 1", "b"}));
  const auto error = [&](const char* name, std::size_t lines, std::size_t bytes) {
    return without(error_of([&] { read_prompts(folder.path() / name, lines, bytes); }), folder);
  };
  EXPECT_EQ(error("p.txt", 2, 10),
            "argument: cannot take the prompts in DIR/p.txt: expected 1 to 2 lines, got 3");
  EXPECT_EQ(error("none.txt", 2, 10),
            "argument: cannot take the prompts in DIR/none.txt: expected 1 to 2 lines, got 0");
  EXPECT_EQ(error("p.txt", 3, 4),
            "argument: cannot take the prompts in DIR/p.txt: expected at most 4 bytes a prompt, "
            "prompt 1 has 5");
}

// ---- Choices

std::string drawn(std::string_view text, std::uint64_t seed = 1) {
  ChoiceDraw draw(seed);
  Wildcards none;
  return draw_choices(text, draw, none, 1000);
}

/// How often each result comes in 1000 seeds.
std::map<std::string, int> counts(std::string_view text) {
  std::map<std::string, int> counts;
  for (std::uint64_t seed = 0; seed < 1000; ++seed) ++counts[drawn(text, seed)];
  return counts;
}

TEST(Choices, LeaveOtherTextAsItIs) {
  for (const char* text : {"", "a man, in (the:1.2) snow", "__hair__", "a } b | c", "{ open", "{a{",
                           "\\(a\\)", "a \\ b", "trailing \\", "$$"})
    EXPECT_EQ(drawn(text), text);
  EXPECT_EQ(drawn("\\{a\\|b\\}"), "{a|b}");
  EXPECT_EQ(drawn("{a\\|b}"), "a|b");
  EXPECT_EQ(drawn("{a}{}"), "a");
  EXPECT_EQ(drawn("{{a} b"), "{a b");
}

TEST(Choices, AreDrawnEvenly) {
  const auto found = counts("a {red|green|} hat");
  ASSERT_EQ(found.size(), 3U);
  for (const char* text : {"a red hat", "a green hat", "a  hat"})
    EXPECT_NEAR(found.at(text), 333, 60) << text;
}

TEST(Choices, AreTheSameForASeedEverywhere) {
  // SplitMix64's numbers for seed 42: 0.7415, 0.1599, 0.2786, 0.3443.
  EXPECT_EQ(drawn("{a|b|c|d} {a|b|c|d} {a|b|c|d} {a|b|c|d}", 42), "c a b b");
}

TEST(Choices, MayHaveWeights) {
  const auto found = counts("{.5::a|3.5::b|0::c}");
  EXPECT_EQ(found.size(), 2U);
  EXPECT_NEAR(found.at("a"), 125, 40);
  EXPECT_EQ(drawn("{x::a}"), "x::a");
  expect_error(ErrorKind::kArgument,
               "cannot draw one of 2 choices: expected weights whose sum is above 0, got 0",
               [] { drawn("{0::a|0::b}"); });
}

TEST(Choices, MayBeSeveral) {
  const auto two = counts("{2$$a|b|c}");
  EXPECT_EQ(two.size(), 6U);
  EXPECT_TRUE(two.contains("a, b") && two.contains("c, a"));
  std::set<std::size_t> lengths;
  for (const auto& [text, count] : counts("{1-3$$ and $$a|b|c}")) lengths.insert(text.size());
  EXPECT_EQ(lengths, (std::set<std::size_t>{1, 7, 13}));
  EXPECT_EQ(counts("{2-$$ $$a|b|c}").size(), 6U + 6U);
  EXPECT_EQ(counts("{-2$$ $$a|b|c}").size(), 3U + 6U);
  EXPECT_EQ(drawn("{9$$a}"), "a");
  EXPECT_EQ(drawn("{0$$a|b}"), "");
  EXPECT_EQ(counts("{3-1$$a|b}").size(), 4U);
  EXPECT_EQ(drawn("{x$$a}"), "x$$a");
  EXPECT_EQ(counts("{1$$a|b$$c}").size(), 2U);
}

TEST(Choices, MayStandInChoices) {
  const auto found = counts("{a|{b|c} {d|e}}");
  EXPECT_EQ(found.size(), 5U);
  EXPECT_NEAR(found.at("a"), 500, 70);
}

TEST(Choices, HaveLimits) {
  std::string deep = "a";
  for (int i = 0; i < 65; ++i) deep = "{" + deep + "}";
  expect_error(ErrorKind::kArgument, "expected at most 64, one in the other", [&] { drawn(deep); });
  expect_error(ErrorKind::kArgument, "expected at most 1000 bytes of text, got more",
               [] { drawn(std::string(1001, 'a')); });
  // Brackets that are never closed take no time.
  ChoiceDraw draw(1);
  Wildcards none;
  const std::string open(65536, '{');
  EXPECT_EQ(draw_choices(open, draw, none, 65536), open);
}

// ---- Wildcards

class WildcardFiles : public ::testing::Test {
 protected:
  std::string drawn(std::string_view text, std::uint64_t seed = 1) {
    ChoiceDraw draw(seed);
    return draw_choices(text, draw, wildcards_, 1000);
  }
  std::set<std::string> all(std::string_view text) {
    std::set<std::string> found;
    for (std::uint64_t seed = 0; seed < 300; ++seed) found.insert(drawn(text, seed));
    return found;
  }
  std::string error(std::string_view text) {
    return without(error_of([&] { drawn(text); }), folder_);
  }

  Folder folder_{{{"hair.txt", "\xef\xbb\xbf# colours\nred\r\n\n  blond \n"},
                  {"people/old.txt", "a man\na woman"},
                  {"people/young.txt", "a girl with __hair__ hair"},
                  {"people/far/x.txt", "x"},
                  {"weights.txt", "0::never\n1::always"},
                  {"empty.txt", "# nothing"},
                  {"bytes.txt", "\xff"},
                  {"note.md", "no"},
                  {"self.txt", "a\n__self__"},
                  {"one.txt", "a {b|__two__}"},
                  {"two.txt", "__thr*__"},
                  {"three.txt", "__one__"},
                  {"doubling/z.txt", "{}"},
                  {"gone.txt", "__nowhere__"}}};
  Wildcards wildcards_{folder_.path()};
};

TEST_F(WildcardFiles, GiveALine) {
  EXPECT_EQ(all("__hair__"), (std::set<std::string>{"red", "blond"}));
  EXPECT_EQ(all("__people/young__"),
            (std::set<std::string>{"a girl with red hair", "a girl with blond hair"}));
  EXPECT_EQ(drawn("a __weights__ b"), "a always b");
  EXPECT_EQ(drawn("__ __init __"), "__ __init __");
}

TEST_F(WildcardFiles, MayBeMany) {
  EXPECT_EQ(all("__people/*__"), (std::set<std::string>{"a man", "a woman", "a girl with red hair",
                                                        "a girl with blond hair"}));
  EXPECT_EQ(all("__people/**__").size(), 5U);
  EXPECT_EQ(all("__*air__").size(), 2U);
  EXPECT_EQ(all("{__hair__|bald}").size(), 3U);
}

TEST_F(WildcardFiles, AreRefusedByName) {
  EXPECT_EQ(error("__hiar__"),
            "missing: cannot draw __hiar__: DIR has no hiar.txt, did you mean "
            "hair?");
  EXPECT_EQ(error("__note__").substr(0, 42), "missing: cannot draw __note__: DIR has no ");
  EXPECT_TRUE(error("__../text__").starts_with("missing: "));
  EXPECT_TRUE(error("__/etc/passwd__").starts_with("missing: "));
  EXPECT_EQ(error("__empty__"), "argument: cannot draw __empty__: DIR/empty.txt has no line");
  EXPECT_TRUE(error("__bytes__").starts_with("corrupt: cannot read DIR/bytes.txt: "));
  // Also where the line that leads there is not the one that is drawn, and again.
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    EXPECT_EQ(without(error_of([&] { drawn("__self__", seed); }), folder_),
              "argument: cannot draw __self__: its file leads back to itself (self > self)\n"
              "  take one of these names out of the file in front of it");
    EXPECT_NE(error("__two__").find("(two > three > one > two)"), std::string::npos)
        << error("__two__");
    EXPECT_TRUE(error("__gone__").starts_with("missing: cannot draw __nowhere__: "));
  }
  const Folder file(Files{{"a.txt", "a"}});
  EXPECT_EQ(without(error_of([&] { Wildcards(file.path() / "a.txt"); }), file),
            "argument: cannot open the wildcards in DIR/a.txt: expected a folder with .txt files");
  EXPECT_TRUE(error_of([&] { Wildcards(file.path() / "b"); }).starts_with("missing: "));
}

TEST(WildcardFolder, EndsWhereFilesDouble) {
  Files files{{"30.txt", "{}"}};
  for (int i = 0; i < 30; ++i)
    files[fmt::format("{}.txt", i)] = fmt::format("__{0}__ __{0}__", i + 1);
  files["30.txt"] = "{}";
  for (int i = 0; i < 30; ++i)
    files[fmt::format("{}.txt", i)] = fmt::format("__{0}____{0}__", i + 1);
  const Folder folder(files);
  Wildcards wildcards(folder.path());
  ChoiceDraw draw(1);
  expect_error(ErrorKind::kArgument, "expected at most 100000, got more",
               [&] { draw_choices("__0__", draw, wildcards, 65536); });
}

}  // namespace
}  // namespace semblance
