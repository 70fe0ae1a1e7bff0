// How pictures of three programs are made again: the exact commands.
#include "app/recipe.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "app/parameters.h"
#include "app/recipe_words.h"
#include "app/shell_text.h"
#include "tests/support/errors.h"
#include "tests/support/golden.h"

namespace semblance {
namespace {

using testing::expect_error;

PictureTexts texts_of(const std::string& key, const std::string& value, Size size = {512, 768}) {
  PictureTexts texts;
  texts.picture.stored = size;
  texts.texts.push_back({key, value});
  return texts;
}

PictureTexts golden_texts(const std::string& name) {
  return read_texts(*open_file(testing::golden_path("image/texts/" + name)));
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + '\n';
  return text;
}

std::string command_in(const PictureTexts& texts) {
  const auto recipe = read_recipe(texts, "a.png");
  return recipe ? shell_command(command_of(*recipe, "b.png")) : "no recipe";
}

std::string notes_in(const PictureTexts& texts) {
  const auto recipe = read_recipe(texts, "a.png");
  return recipe ? joined(recipe->notes) : "no recipe";
}

Request snowy_request() {
  Request request{.prompt = "a man in the snow", .negative = {}, .width = 512, .height = 768};
  request.seed = 42;
  return request;
}

std::string own_command(const Request& request, const MadeWith& made_with) {
  return command_in(texts_of("parameters", parameters_text(request, made_with)));
}

TEST(Recipe, OfOurPictureIsItsRequest) {
  EXPECT_EQ(
      own_command(snowy_request(), {.base = "/m/film.safetensors"}),
      "semblance generate --base film --face FACE.jpg --prompt 'a man in the snow' --steps 30 "
      "--scheduler euler --sigmas default --guidance 5 --seed 42 --size 512x768 "
      "--precision f32 -o b.png");
  Request request = snowy_request();
  request.prompt = "a {man|woman}, \"it's\"\nsecond line <lora:film:0.5>";
  request.negative = "two\nlines";
  request.loras = {"/x/pixel.safetensors:0.8"};
  request.sigmas = Choice("uniform");
  request.identity_strength = 0.7F;
  request.vae_tiling = true;
  request.noise = Choice("cuda:t4");
  request.strength = 0.6;
  request.clip_skip = 1;
  request.has_mask = true;
  request.mask_blur = 8;
  const std::string command = own_command(
      request, {.base = "a, b", .parts = {.vae = "/v/vae.safetensors"}, .backend = "gpu:1"});
  EXPECT_EQ(
      command,
      "semblance generate --base 'a, b' --vae vae.safetensors --face FACE.jpg --init START.png "
      "--mask MASK.png "
      "--prompt 'a \\{man|woman\\}, \"it'\\''s\"\nsecond line <lora:film:0.5> "
      "<lora:pixel:0.8>' --negative 'two\nlines' --steps 30 --scheduler euler --sigmas uniform "
      "--guidance 5 --seed 42 --identity-strength 0.7 --vae-tiling --clip-skip 1 --strength "
      "0.6 --mask-blur 8 --noise cuda:t4 --size 512x768 --precision f32 --device gpu:1 -o b.png");
}

TEST(Recipe, HasTheControlNetsOfOurPicture) {
  Request request = snowy_request();
  request.controls = {
      "model=/nets/edges.safetensors,image=/home/me/a, \"b\".png,strength=0.75,"
      "end=0.5,prepare=canny",
      "model=union,type=depth"};
  const PictureTexts texts = texts_of("parameters", parameters_text(request, {.base = "m"}));
  EXPECT_NE(command_in(texts).find(
                "--control 'model=edges,image=a, \"b\".png,strength=0.75,end=0.5,prepare=canny' "
                "--control 'model=union,image=CONTROL-2.png,type=depth' "),
            std::string::npos)
      << command_in(texts);
  const auto recipe = read_recipe(texts, "a.png");
  EXPECT_EQ(joined(recipe->notes), "");
  EXPECT_NE(joined(needs_of(*recipe)).find("--control names them, without folders\n"),
            std::string::npos);
  const std::string text = parameters_text(snowy_request(), {.base = "m"});
  const auto other = [&](const std::string& unit) {
    std::string changed = text;
    changed.insert(changed.find(", Model: "), ", ControlNet 0: \"" + unit + '"');
    return notes_in(texts_of("parameters", changed));
  };
  EXPECT_EQ(other("Model: edges, Weight: 1"), "");
  for (const char* unit : {"Weight: 1", "Model: edges, Weight: 9", "Model: edges, Magic: 1"}) {
    EXPECT_EQ(other(unit), "ControlNet 0: " + std::string(unit) + " is not carried over\n");
  }
}

TEST(Recipe, DistinguishesNoNegativeFromAnEmptyOne) {
  Request request = snowy_request();
  request.negative = "";
  EXPECT_NE(own_command(request, {.base = "m"}).find(" --negative '' "), std::string::npos);
  EXPECT_EQ(own_command(snowy_request(), {.base = "m"}).find("--negative"), std::string::npos);
}

/// Every parameter that shapes a picture comes back from its text.
TEST(Recipe, HasEveryParameterOfOurPicture) {
  const Request usual = snowy_request();
  Request changed = usual;
  each_parameter(
      [](const Parameter& row, auto& member) {
        using T = std::decay_t<decltype(member)>;
        if (row.png.empty() || row.png == "Style") return;
        if constexpr (kind_of<T>() == ParameterKind::kSwitch) {
          member = true;
        } else if constexpr (kind_of<T>() == ParameterKind::kWhole ||
                             kind_of<T>() == ParameterKind::kNumber) {
          member = static_cast<PlainOf<T>>(std::max<double>(row.least, row.multiple_of));
        } else if constexpr (kind_of<T>() == ParameterKind::kChoice) {
          member = Choice(std::string(row.choices.all().back().name));
        }
      },
      changed);
  changed.noise_batch = 2;
  const auto recipe =
      read_recipe(texts_of("parameters", parameters_text(changed, {.base = "m"})), "a.png");
  ASSERT_TRUE(recipe);
  EXPECT_EQ(joined(recipe->notes), "");
  each_parameter([](const Parameter& row, const auto& got,
                    const auto& want) { EXPECT_TRUE(row.png.empty() || got == want) << row.name; },
                 recipe->request, changed);
}

TEST(Recipe, OfTheWebUiHasItsNamesAndUnits) {
  const PictureTexts texts = golden_texts("a1111.png");
  EXPECT_EQ(read_recipe(texts, "a.png")->made_by, "AUTOMATIC1111 v1.10.1");
  EXPECT_EQ(command_in(texts),
            "semblance generate --base sd_xl_base_1.0 --vae sdxl_vae.safetensors --face FACE.jpg "
            "--prompt 'photo of a (man:1.2) in \\{deep\\} snow, <lora:film:0.8>\nsecond line, "
            "it'\\''s \"quoted\"' --negative 'blurry, [ugly]' --steps 25 --scheduler dpmpp_2m "
            "--sigmas karras --guidance 5.5 --seed 1234567890 --identity-strength 0.7 "
            "--identity-start 0.1 --identity-end 0.9 --encoding a1111 --spacing linspace --noise "
            "a1111-cpu --size 832x1216 -o b.png");
  EXPECT_EQ(notes_in(texts),
            "easynegative is an embedding: give its file with --embedding\n"
            "Variation seed: 7 is not carried over\n"
            "Variation seed strength: 0.1 is not carried over\n"
            "the file has 16 x 8 pixels: it was resized after it was made\n");
  for (const char* name : {"a1111_big.jpg", "a1111_little.jpg", "a1111.webp"}) {
    EXPECT_EQ(read_recipe(golden_texts(name), "a.png")->request.seed, 1234567890U) << name;
  }
}

std::string web_ui_command(const std::string& settings) {
  return command_in(texts_of("parameters", "a man\n" + settings));
}
std::string web_ui_notes(const std::string& settings) {
  return notes_in(texts_of("parameters", "a man\n" + settings));
}

TEST(Recipe, OfTheWebUiWithoutAPersonTurnsItOff) {
  const std::string old =
      "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 965400086, Size: 512x768";
  EXPECT_EQ(web_ui_command(old),
            "semblance generate --face FACE.jpg --prompt 'a man' --steps 20 --scheduler euler_a "
            "--sigmas default --guidance 7 --seed 965400086 --identity-strength 0 "
            "--adapter-strength 0 --encoding a1111 --spacing linspace --noise a1111-gpu --size "
            "512x768 -o b.png");
  const auto recipe = read_recipe(texts_of("parameters", "a man\n" + old), "a.png");
  EXPECT_EQ(joined(needs_of(*recipe)),
            "the photo of the person is not in the file: give it with --face\n"
            "it was made without the photo of a person: to put one in, leave out "
            "--identity-strength and --adapter-strength\n");
  EXPECT_EQ(recipe->made_by, "AUTOMATIC1111");
}

TEST(Recipe, OfTheWebUiHasMasksAndOtherControlNets) {
  const std::string text =
      "Steps: 20, Sampler: Euler, CFG scale: 7, Seed: 1, Size: 512x768, Denoising strength: 0.6, "
      "Mask blur: 8, Inpaint area: Only masked, Masked area padding: 16, Masked content: fill, "
      "ControlNet 0: \"Module: canny, Model: diffusers_xl_canny [2b69fca4], Weight: 0.5, Resize "
      "Mode: Crop and Resize, Processor Res: 512, Threshold A: 100.0, Threshold B: 200.0, Low "
      "Vram: "
      "False, Guidance Start: 0.0, Guidance End: 0.8, Pixel Perfect: True, Control Mode: Balanced, "
      "Hr Option: Both, Save Detected Map: True\"";
  EXPECT_EQ(web_ui_notes(text), "");
  const std::string command = web_ui_command(text);
  for (const char* flag :
       {" --mask MASK.png ", " --mask-blur 8 ", " --inpaint-area masked ", " --inpaint-padding 16 ",
        " --masked-content fill ",
        " --control "
        "'model=diffusers_xl_canny,image=CONTROL-1.png,strength=0.5,end=0.8,prepare=canny' "})
    EXPECT_NE(command.find(flag), std::string::npos) << flag << command;
  for (const char* unit : {"Module: depth_midas, Model: depth, Weight: 1.0",
                           "Module: none, Model: depth, Control Mode: My prompt is more important",
                           "Module: canny, Model: None"}) {
    EXPECT_EQ(web_ui_notes("Steps: 20, Size: 512x768, ControlNet 0: \"" + std::string(unit) + "\""),
              "ControlNet 0: " + std::string(unit) + " is not carried over\n");
  }
}

TEST(Recipe, OfTheWebUiHasASecondPass) {
  const std::string text =
      "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x768, Denoising strength: 0.4, "
      "Hires upscale: 1.5, Hires upscaler: Lanczos";
  EXPECT_NE(web_ui_command(text).find(" --hires 1.5 "), std::string::npos) << web_ui_command(text);
  EXPECT_EQ(web_ui_command(text).find("--strength"), std::string::npos);
  EXPECT_EQ(web_ui_notes(text), "");
  EXPECT_NE(web_ui_command(text + ", Denoising strength: 0.6").find(" --hires 1.5 "),
            std::string::npos);
}

TEST(Recipe, OfTheWebUiNamesWhatItLeavesOut) {
  EXPECT_EQ(web_ui_notes("Steps: 20, Sampler: DPM++ 2S a, CFG scale: 7, Seed: 1, Size: 512x768, "
                         "Denoising strength: 0.5, Clip skip: 2, ENSD: 31337, Hires upscale: 2, "
                         "Hires upscaler: Latent, Face restoration: GFPGAN, Tiling: True, "
                         "Schedule type: KL Optimal, Emphasis: No norm, ControlNet 0: \"Module: "
                         "canny, Weight: 1\", Version: f2.0.1v1.10.1"),
            "the sampler DPM++ 2S a is not available; DPM++ 2S is the nearest\n"
            "the noise levels KL Optimal are not available; Karras is used\n"
            "Clip skip: 2 has no effect there with SDXL, and is left out\n"
            "ENSD: 31337 is not carried over\n"
            "Hires upscaler: Latent is not carried over\n"
            "Face restoration: GFPGAN is not carried over\n"
            "Tiling: True is not carried over\n"
            "Emphasis: No norm is not carried over\n"
            "ControlNet 0: Module: canny, Weight: 1 is not carried over\n");
  EXPECT_EQ(
      web_ui_notes("Steps: 0, Sampler: Magic, CFG scale: much, Seed: -1, Size: 513x768"),
      "the sampler Magic is not known; the model's own is used\n"
      "Steps is not carried over: expected a whole number from 1 to 1000, got 0\n"
      "CFG scale is not carried over: expected a number from 0 to 100, got 'much'\n"
      "Seed is not carried over: expected a whole number from 0 to 18446744073709551615, got "
      "'-1'\n"
      "Size is not carried over: expected a multiple of 8 from 8 to 8192, got 513; the nearest "
      "is 512\n");
  set_language(Language::kSpanish);
  EXPECT_EQ(web_ui_notes("Steps: 20, Tiling: True, Size: 512x768"),
            "Tiling: True no se traslada\n");
  set_language(Language::kEnglish);
  EXPECT_NE(notes_in(texts_of("parameters", "a (man:1000)\nSteps: 20, Size: 512x768"))
                .find("--prompt: cannot "),
            std::string::npos);
  EXPECT_NE(notes_in(texts_of("parameters", "a <hypernet:x:1>\nSteps: 20, Size: 512x768"))
                .find("<hypernet: is read as plain text\n"),
            std::string::npos);
}

/// That program makes int(0.6 * 20) + 1 = 13 steps of 20.
TEST(Recipe, OfTheWebUiStartsFromAPictureAsThere) {
  const std::string settings =
      "Steps: 20, Sampler: Euler, CFG scale: 7, Seed: 1, Size: 512x768, Denoising strength: 0.6";
  EXPECT_NE(web_ui_command(settings).find(" --init START.png "), std::string::npos);
  EXPECT_NE(web_ui_command(settings).find(" --strength 0.65 "), std::string::npos);
  for (int steps = 1; steps <= 1000; ++steps) {
    for (const double strength : {0.01, 0.33, 0.5, 0.75, 0.999, 1.0}) {
      const auto recipe = read_recipe(
          texts_of("parameters", fmt::format("a\nSteps: {}, Denoising strength: {}, Size: 512x768",
                                             steps, strength)),
          "a.png");
      const int made = std::min(steps, static_cast<int>(std::min(strength, 0.999) * steps) + 1);
      ASSERT_EQ(steps - recipe->request.skipped_steps(), made) << steps << ' ' << strength;
    }
  }
}

TEST(Recipe, IsOnlyOfATextWithSteps) {
  for (const char* text : {"", "a man", "a man\nSampler: Euler, Seed: 1, Size: 8x8", "\n\n"}) {
    EXPECT_EQ(command_in(texts_of("parameters", text)), "no recipe") << text;
  }
  EXPECT_EQ(command_in(texts_of("prompt", "a man")), "no recipe");
  EXPECT_EQ(command_in(texts_of("Comment", "Steps: 3")), "no recipe");
  // A prompt may be empty, or in many lines.
  EXPECT_NE(command_in(texts_of("parameters", "Steps: 3, Seed: 1")).find(" --prompt '' "),
            std::string::npos);
}

TEST(Recipe, SpeaksBothLanguages) {
  const auto placeholders = [](std::string_view format) {
    std::set<std::string> found;
    for (std::size_t at = format.find('{'); at != format.npos; at = format.find('{', at + 1))
      found.emplace(format.substr(at, 3));
    return found;
  };
  for (const Words* words : recipe_words::kAll) {
    EXPECT_FALSE(words->english.empty());
    EXPECT_NE(words->english, words->spanish);
    EXPECT_EQ(placeholders(words->english), placeholders(words->spanish)) << words->english;
  }
}

TEST(Infotext, IsReadAsThere) {
  const InfoFields fields = parse_info_fields(
      R"(Steps: 3, a b/c-d: 1, Empty: , Quoted: "a, \"b\": c", Half: "a, b", x: 1, ü1: é, 5:, ,: , End: "a" b)");
  const InfoFields want{
      {"Steps", "3"},   {"a b/c-d", "1"}, {"Empty", ""},      {"Quoted", R"(a, "b": c)"},
      {"Half", "a, b"}, {"ü1", "é"},      {"End", R"("a" b)"}};
  EXPECT_EQ(fields, want);
}

}  // namespace
}  // namespace semblance
