// Prompts as a user gives them to `generate` and `plan`: encodings, styles, choices, files.
#include <nlohmann/json.hpp>

#include "cli/program_test.h"

namespace semblance::cli {
namespace {

class Prompts : public ProgramTest {
 protected:
  // Saved runs may only name outputs in the working folder.
  Prompts() { fs::current_path(folder()); }
  ~Prompts() override { fs::current_path("/"); }

  /// The prompt that a picture carries.
  std::string prompt_of(const std::string& name) const {
    const std::string bytes = bytes_of(file(name));
    const std::size_t begin = bytes.find("parameters") + 11;
    return bytes.substr(begin, bytes.find("\nSteps: ", begin) - begin);
  }
  std::string picture(const std::vector<std::string>& flags) {
    run(generate(flags)).exits(0);
    return bytes_of(file("out.png"));
  }
};

TEST_F(Prompts, HaveWeightsAndAnyLength) {
  const std::string plain = picture({"--no-metadata"});
  EXPECT_EQ(picture({"--no-metadata", "--encoding", "plain"}), plain);
  const std::string weighted = picture({"--no-metadata", "--encoding", "weighted"});
  EXPECT_NE(weighted, plain);
  EXPECT_NE(picture({"--no-metadata", "--encoding", "a1111"}), weighted);
  const std::string with_weight = picture({"--no-metadata", "--prompt", "a (man:1.4) in the snow"});
  EXPECT_EQ(
      picture({"--no-metadata", "--prompt", "a (man:1.4) in the snow", "--encoding", "weighted"}),
      with_weight);
  std::string words = "snow";
  for (int i = 0; i < 120; ++i) words += ", snow";
  run(generate({"--prompt", words})).exits(0).does_not_say("warning");
  EXPECT_NE(picture({"--no-metadata", "--prompt", words}),
            picture({"--no-metadata", "--prompt", words, "--encoding", "plain"}));
  EXPECT_NE(picture({"--encoding", "a1111"}).find(", Prompt encoding: a1111, "), std::string::npos);
}

TEST_F(Prompts, AreRefusedWithAReason) {
  run(generate({"--encoding", "a11"}))
      .exits(2)
      .says("cannot take --encoding: expected one of auto, plain, weighted, a1111, got 'a11'");
  run(generate({"--prompt", std::string(100'000, 'a')}))
      .exits(2)
      .says("cannot take --prompt: expected text of at most 65536 bytes, got 100000 bytes");
  run(generate({"--prompt", "(man:1000)"}))
      .exits(2)
      .says("cannot read the weight of 'man': expected a number from -100 to 100, got 1000");
  run(generate({"--prompt", "((a man in the snow"})).exits(0);
}

TEST_F(Prompts, WarnOfWhatThePictureWillNotHave) {
  run(generate(
          {"--prompt", "a [cat:dog:0.5] AND b", "--negative", "la nieve y el sol <lora:film:1>"}))
      .exits(0)
      .says("warning: --prompt: [cat:dog:0.5] would change the prompt between steps")
      .says("warning: --prompt: AND is read as a word")
      .says("warning: --negative: LoRAs have an effect only in the prompt; not applied: film")
      .says("warning: --negative: this does not look like English")
      .says("take a style: Watercolor, Film Noir");
}

TEST_F(Prompts, TakeAStyle) {
  run(generate({"--style", "film noir", "--negative", "ugly"})).exits(0);
  const std::string noir = prompt_of("out.png");
  EXPECT_NE(noir.find("film noir still of a man in the snow, "), std::string::npos) << noir;
  EXPECT_NE(noir.find("signature ugly"), std::string::npos) << noir;
  run(generate({"--style", "(No style)"})).exits(0);
  EXPECT_EQ(prompt_of("out.png"), "a man in the snow");
  run(generate({"--style", "Watercolour"}))
      .exits(2)
      .says("cannot take --style: there is no style 'Watercolour', did you mean Watercolor?");
  write_bytes(file("styles.csv"), "name,prompt,negative_prompt\nOil,oil painting,photo\n");
  run(generate({"--style", "Oil", "--styles", file("styles.csv")})).exits(0);
  EXPECT_EQ(prompt_of("out.png"), "a man in the snow, oil painting\nNegative prompt: photo");
  run(generate({"--style", "Oli", "--styles", file("styles.csv")}))
      .exits(2)
      .says("did you mean Oil?");
  run(generate({"--styles", file("none.csv")})).exits(3).says("none.csv");
}

TEST_F(Prompts, DrawChoicesByTheSeed) {
  fs::create_directories(folder() / "cards");
  write_bytes(file("cards/hair.txt"), "# comment\nred\nblond\ngrey\n");
  const std::vector<std::string> flags{"--prompt",    "a {tall|small} man, __hair__ hair",
                                       "--negative",  "{a|b|c|d}",
                                       "--wildcards", file("cards"),
                                       "--images",    "6"};
  run(generate(flags)).exits(0);
  std::set<std::string> prompts;
  std::vector<std::string> in_order;
  for (const char* name :
       {"out.png", "out-2.png", "out-3.png", "out-4.png", "out-5.png", "out-6.png"}) {
    in_order.push_back(prompt_of(name));
    prompts.insert(in_order.back());
    EXPECT_EQ(in_order.back().find_first_of("{|_"), std::string::npos) << in_order.back();
  }
  EXPECT_GT(prompts.size(), 3U);
  // A picture's own seed draws its prompt.
  std::vector<std::string> third = flags;
  third.insert(third.end(), {"--images", "1", "--seed", "9"});
  run(generate(third)).exits(0);
  EXPECT_EQ(prompt_of("out.png"), in_order[2]);
  run(generate({"--prompt", "a __hiar__ man", "--wildcards", file("cards")}))
      .exits(3)
      .says("cannot draw __hiar__: ")
      .says("did you mean hair?");
  write_bytes(file("cards/loop.txt"), "a\n__loop__\n");
  run(generate({"--prompt", "__loop__", "--wildcards", file("cards")}))
      .exits(2)
      .says("cannot draw __loop__: its file leads back to itself (loop > loop)");
}

TEST_F(Prompts, ComeFromAFile) {
  write_bytes(file("prompts.txt"), "a man\n\na (woman:1.2) in the {snow|rain}\n");
  std::vector<std::string> words = generate_without("--prompt");
  words.insert(words.end(), {"--prompts", file("prompts.txt"), "--images", "2"});
  run(words).exits(0).says("out-4.png: 64 x 48, 2 steps, seed 10");
  EXPECT_EQ(files().size(), 1U + 4U);
  EXPECT_EQ(prompt_of("out.png"), "a man");
  EXPECT_EQ(prompt_of("out-2.png"), "a man");
  EXPECT_TRUE(prompt_of("out-3.png").starts_with("a (woman:1.2) in the "));
  words.insert(words.end(), {"--latents", file("out.npy")});
  run(words).exits(2).says("cannot take --latents: expected one picture, got 4 of --prompts");
  run(generate({"--prompts", file("prompts.txt")}))
      .exits(2)
      .says("cannot take --prompts: --prompt is given, too");
  words = generate_without("--prompt");
  words.insert(words.end(), {"--prompts", file("prompts.txt"), "--images", "501"});
  run(words).exits(2).says(
      "expected at most 1000 pictures in all, got 2 prompts with --images 501");
}

/// Whoever resumes needs neither the file nor the wildcards.
TEST_F(Prompts, OfARunThatStoppedAreKept) {
  write_bytes(file("prompts.txt"), "a man\na {woman|girl|boy|lady} in the rain\n");
  std::vector<std::string> words = generate_without("--prompt");
  words.insert(words.end(), {"--prompts", file("prompts.txt"), "--steps", "40"});
  run(words).exits(0);
  const std::string first = bytes_of(file("out.png")), second = bytes_of(file("out-2.png"));
  fs::remove(file("out.png"));
  fs::remove(file("out-2.png"));
  words.insert(words.end(), {"--save-state", file("state")});
  Running running = start(words);
  while (!fs::exists(file("state"))) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  running.signal(SIGTERM);
  running.end().exits(130);
  fs::remove(file("prompts.txt"));
  run({"generate", "--resume", file("state")}).exits(0);
  EXPECT_TRUE(bytes_of(file("out.png")) == first);
  EXPECT_TRUE(bytes_of(file("out-2.png")) == second);
  for (const char* flag : {"--style", "--styles", "--wildcards", "--prompts"}) {
    run({"generate", "--resume", file("state"), flag, "x"}).exits(2).says(flag);
  }
}

TEST_F(Prompts, ArePlanned) {
  const auto seconds = [&](const std::vector<std::string>& more) {
    std::vector<std::string> words{"plan", "--json", "--size", "512x512"};
    words.insert(words.end(), more.begin(), more.end());
    return nlohmann::json::parse(run(words).exits(0).out());
  };
  const auto short_one = seconds({"--prompt", "a man"});
  std::string words = "snow";
  for (int i = 0; i < 400; ++i) words += ", snow";
  const auto long_one = seconds({"--prompt", words});
  const auto runs = [](const nlohmann::json& plan, const char* name) {
    for (const auto& stage : plan["stages"]) {
      if (stage["name"] == name) return stage["runs"].get<int>();
    }
    return 0;
  };
  EXPECT_EQ(runs(short_one, "text encoder 1"), 1) << short_one.dump(1);
  EXPECT_EQ(runs(long_one, "text encoder 1"), 801 / 75 + 1);
  EXPECT_GT(long_one["step_seconds"].get<double>(), short_one["step_seconds"].get<double>());
  EXPECT_GE(long_one["minimum_bytes"], short_one["minimum_bytes"]);
}

}  // namespace
}  // namespace semblance::cli
