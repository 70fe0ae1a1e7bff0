// --lora as a user gives it: files and names, weights, messages; and LoRAs of the service's
// requests.

#include "cli/serve_test.h"
#include "weights/safetensors.h"
#include "weights/writer.h"

namespace semblance::cli {
namespace {

using Json = nlohmann::json;

class Lora : public ServeTest {
 protected:
  static std::string style() { return (golden() / "lora_kohya/style.safetensors").string(); }
  std::string png(const std::vector<std::string>& more) {
    run(generate(more)).exits(0);
    return bytes_of(file("out.png"));
  }
  /// Writes a LoRA of rank 1 for a layer of 4 input channels: conv_in.
  void write_lora(const std::string& name, const std::string& layer, std::int64_t rows,
                  float value = 0.3F) const {
    const std::vector<float> up(static_cast<std::size_t>(rows), value);
    std::vector<float> down(4 * 9);
    for (std::size_t i = 0; i < down.size(); ++i) down[i] = static_cast<float>(i % 5) / 5;
    fs::create_directories(fs::path(file(name)).parent_path());
    write_safetensors(file(name), {{{layer + ".lora_up.weight", DType::kF32, {rows, 1, 1, 1}},
                                    std::as_bytes(std::span(up))},
                                   {{layer + ".lora_down.weight", DType::kF32, {1, 4, 3, 3}},
                                    std::as_bytes(std::span(down))}});
  }
};

TEST_F(Lora, ChangesThePicture) {
  const std::string plain = png({"--no-metadata"});
  const std::string with = png({"--no-metadata", "--lora", style()});
  EXPECT_NE(with, plain);
  EXPECT_EQ(png({"--no-metadata", "--lora", style() + ":0"}), plain);
  EXPECT_NE(png({"--no-metadata", "--lora", style() + ":0:1"}), plain);
  EXPECT_EQ(
      png({"--no-metadata", "--lora", style() + ":0.5", "--lora", style() + ":-0.5"}).size() > 0,
      true);
  EXPECT_NE(png({"--no-metadata", "--lora", style(), "--lora", style()}), with);
}

TEST_F(Lora, GivesTheSameBitsInLittleMemory) {
  const std::string all = png({"--lora", style() + ":0.8"});
  const Outcome plan = run([&] {
    std::vector<std::string> words = generate({"--lora", style() + ":0.8", "--json"});
    words[0] = "plan";
    return words;
  }());
  const Json report = Json::parse(plan.exits(0).out());
  const auto least = report["minimum_bytes"].get<std::uint64_t>();
  EXPECT_EQ(png({"--lora", style() + ":0.8", "--memory", std::to_string(least) + "B"}), all);
}

TEST_F(Lora, IsNamedInThePicturesText) {
  const std::string text = png({"--lora", style() + ":0.8:0.5", "--lora", style()});
  EXPECT_NE(text.find("a man in the snow <lora:style:0.5:0.8> <lora:style:1>\nSteps: 2"),
            std::string::npos);
  EXPECT_EQ(text.find(golden().string()), std::string::npos);
}

TEST_F(Lora, IsNamedInThePrompt) {
  fs::create_directories(folder() / "here");
  fs::copy_file(style(), folder() / "here/film.safetensors");
  const auto with_tag = [&](const std::string& tag, const std::vector<std::string>& more = {}) {
    std::vector<std::string> flags{"--no-metadata", "--prompt", "a man in the snow" + tag,
                                   "--lora-dir", file("here")};
    flags.insert(flags.end(), more.begin(), more.end());
    return png(flags);
  };
  EXPECT_EQ(with_tag("<lora:film:0.5>"), png({"--no-metadata", "--lora", style() + ":0.5"}));
  EXPECT_EQ(with_tag("<lora:film:0.8:0.5>"),
            png({"--no-metadata", "--lora", style() + ":0.5:0.8"}));
  EXPECT_EQ(with_tag("<lora:film:1>", {"--lora", style() + ":0.5"}),
            png({"--no-metadata", "--lora", style() + ":0.5", "--lora", style()}));
  const std::string both = png(
      {"--prompt", "a man <lora:film:1>", "--lora", style() + ":0.5", "--lora-dir", file("here")});
  EXPECT_NE(both.find("a man <lora:film:1> <lora:style:0.5>\nSteps: 2"), std::string::npos);
  run(generate({"--prompt", "a man <lora:../film:1>"}))
      .exits(2)
      .says("cannot take <lora:../film> in the prompt: expected the name of a LoRA");
  run(generate({"--prompt", "a man <lora:paint:1>", "--lora-dir", file("here")}))
      .exits(3)
      .says("cannot find the LoRA paint");
  std::vector<std::string> plan = generate({"--prompt", "a man <lora:paint:1>"});
  plan[0] = "plan";
  run(plan).exits(3).says("cannot find the LoRA paint");
}

/// A saved run finds the LoRAs of its prompts where they were, those of later pictures too.
TEST_F(Lora, OfAPromptIsThereWhenARunGoesOn) {
  fs::current_path(folder());  // saved runs may only name outputs in the working folder
  fs::create_directories(folder() / "here");
  fs::copy_file(style(), folder() / "here/film.safetensors");
  write_bytes(file("prompts.txt"), "a man <lora:film:0.5>\na woman <lora:film:-0.5>\n");
  std::vector<std::string> words = generate_without("--prompt");
  words.insert(words.end(), {"--prompts", "prompts.txt", "--steps", "40", "--lora-dir", "here"});
  run(words).exits(0);
  const std::string first = bytes_of(file("out.png")), second = bytes_of(file("out-2.png"));
  words.insert(words.end(), {"--save-state", file("state")});
  Running running = start(words);
  while (!fs::exists(file("state"))) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  running.signal(SIGTERM);
  running.end().exits(130);
  run({"generate", "--resume", file("state")}).exits(0);
  EXPECT_TRUE(bytes_of(file("out.png")) == first);
  EXPECT_TRUE(bytes_of(file("out-2.png")) == second);
  fs::current_path("/");
}

TEST_F(Lora, IsLookedUpByName) {
  const std::string want = png({"--no-metadata", "--lora", style()});
  fs::create_directories(folder() / "here/sub");
  fs::copy_file(style(), folder() / "here/sub/film.safetensors");
  EXPECT_EQ(png({"--no-metadata", "--lora", "film", "--lora-dir", file("here")}), want);
  run(generate({"--lora", "fim", "--lora-dir", file("here")}))
      .exits(3)
      .says(
          "cannot find the LoRA fim: the LoRA folders have no file of that name, did you mean "
          "film?");
  run(generate({"--lora", "film", "--lora-dir", file("nowhere")}))
      .exits(3)
      .says("cannot open --lora-dir " + file("nowhere") + ": it is no folder");
  run(generate({"--lora", file("film.safetensors")})).exits(3).says("it does not exist");
  run(generate({"--lora", "film:strong"}))
      .exits(2)
      .says("cannot take --lora: expected a number after each ':'");
  run(generate({"--lora", "film:1000"})).exits(2).says("expected a LoRA's weight from -100 to 100");
  std::vector<std::string> many;
  for (int i = 0; i < 17; ++i) many.insert(many.end(), {"--lora", "film"});
  run(generate(many))
      .exits(2)
      .says("cannot take --lora: expected a list of at most 16 texts, got 17");
  run(generate({"--lora", style(), "-o", style()})).exits(2).does_not_say("Mode:");
}

TEST_F(Lora, SaysWhatItCannotUse) {
  write_lora("strange.safetensors", "lora_unet_conv_in", 31);
  run(generate({"--lora", file("strange.safetensors")}))
      .exits(5)
      .says(
          "the product of its factors is [31,36], which does not fit the weight "
          "unet.conv_in.weight [32,4,3,3]");
  write_lora("flux.safetensors", "lora_unet_double_blocks_0_img_attn_qkv", 32);
  run(generate({"--lora", file("flux.safetensors")})).exits(2).says("it is for Flux");
  write_lora("nan.safetensors", "lora_unet_conv_in", 32, NAN);
  run(generate({"--lora", file("nan.safetensors")}))
      .exits(4)
      .says("a factor of lora_unet_conv_in has a number that is not finite");
  EXPECT_FALSE(fs::exists(file("out.png")));
  write_bytes(file("text.safetensors"), "hello");
  run(generate({"--lora", file("text.safetensors")})).exits(4).says("cannot read");
}

TEST_F(Lora, IsPlannedLikeThePicture) {
  std::vector<std::string> words = generate({"--lora", style()});
  words[0] = "plan";
  run(words).exits(0).prints("denoiser");
  words.back() = "film";
  words.insert(words.end(), {"--lora-dir", file("")});
  run(words).exits(3).says("cannot find the LoRA film");
  // Without models, it is matched with the published one, which the tiny LoRA does not fit.
  run({"plan", "--size", "64x64", "--lora", style()})
      .exits(5)
      .says("which does not fit the weight");
}

TEST_F(Lora, OfARequestIsANameInTheServicesFolder) {
  const auto demo =
      read_safetensors(open_file(fs::path(SEMBLANCE_SOURCE_DIR) /
                                 "models/demo/base/unet/diffusion_pytorch_model.safetensors"));
  const StoredTensor& conv = *demo.find("conv_in.weight");
  ASSERT_EQ(conv.shape[1], 4);
  write_lora("loras/film.safetensors", "lora_unet_conv_in", conv.rows());
  write_lora("secret.safetensors", "lora_unet_conv_in", conv.rows());
  Service service = serve({"--lora-dir", file("loras")});
  Json settings = service.settings(64, 1);
  const std::string plain = service.finished_picture(settings);
  settings["loras"] = {"film:0.5"};
  const std::string id = service.submit(settings);
  EXPECT_EQ(service.ended(id)["state"], "done") << service.job(id).dump();
  EXPECT_EQ(service.job(id)["settings"]["loras"], Json::array({"film:0.5"}));
  const std::string with = service.picture(id);
  EXPECT_NE(pixels_of(with), pixels_of(plain));
  EXPECT_NE(with.find("<lora:film:0.5>"), std::string::npos);
  EXPECT_EQ(with.find(file("")), std::string::npos);
  const Reply plan =
      service.ask("POST", "/api/plan", settings.dump(), "Content-Type: application/json\r\n");
  EXPECT_EQ(plan.status, 200) << plan.body;
  const auto refused = [&](const Json& loras) {
    Json wrong = settings;
    wrong["loras"] = loras;
    const Reply reply = service.post("/api/jobs", service.form(wrong));
    EXPECT_EQ(Json::parse(reply.body)["error"]["param"], "loras") << reply.body;
    return std::pair(reply.status, reply.body);
  };
  EXPECT_EQ(refused({file("secret.safetensors")}).first, 400);
  EXPECT_EQ(refused({"../secret"}).first, 400);
  EXPECT_EQ(refused({"film:many"}).first, 400);
  EXPECT_EQ(refused("film").first, 400);
  EXPECT_EQ(refused({1}).first, 400);
  EXPECT_EQ(refused(Json(std::vector<std::string>(17, "film"))).first, 400);
  const auto [status, body] = refused({"secret"});
  EXPECT_EQ(status, 404);
  EXPECT_EQ(body.find(file("")), std::string::npos) << body;
}

}  // namespace
}  // namespace semblance::cli
