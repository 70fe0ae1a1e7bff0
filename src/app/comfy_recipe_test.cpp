// ComfyUI's graphs: what is carried over, and what is not a graph.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "app/recipe.h"
#include "app/shell_text.h"
#include "tests/support/errors.h"
#include "tests/support/golden.h"

namespace semblance {
namespace {

using nlohmann::json;
using testing::expect_error;

PictureTexts graph_texts(const std::string& graph, Size size = {512, 768}) {
  PictureTexts texts;
  texts.picture.stored = size;
  texts.texts.push_back({"prompt", graph});
  return texts;
}

/// A text-to-image graph; tests change it.
json text_to_image() {
  return json::parse(R"({
    "3": {"class_type": "KSampler", "inputs": {"seed": 5, "steps": 20, "cfg": 8.0,
          "sampler_name": "dpmpp_2m", "scheduler": "normal", "denoise": 1.0, "model": ["4", 0],
          "positive": ["6", 0], "negative": ["7", 0], "latent_image": ["5", 0]}},
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "xl.safetensors"}},
    "5": {"class_type": "EmptyLatentImage",
          "inputs": {"width": 512, "height": 768, "batch_size": 1}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a man", "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "blurry", "clip": ["4", 1]}},
    "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
    "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "x", "images": ["8", 0]}}})");
}

Recipe recipe_of(const json& graph) {
  return read_recipe(graph_texts(graph.dump()), "a.png").value();
}
std::string graph_command(const json& graph) {
  return shell_command(command_of(recipe_of(graph), "b.png"));
}
std::string graph_notes(const json& graph) {
  std::string text;
  for (const std::string& line : recipe_of(graph).notes) text += line + '\n';
  return text;
}
bool has_words(const json& graph, const std::string& words) {
  return (graph_command(graph) + ' ').find(' ' + words + ' ') != std::string::npos;
}

TEST(ComfyRecipe, HasThePersonAndTheModels) {
  for (const char* name : {"comfyui.png", "comfyui.webp"}) {
    const PictureTexts texts =
        read_texts(*open_file(testing::golden_path(std::string("image/texts/") + name)));
    const auto recipe = read_recipe(texts, name);
    ASSERT_TRUE(recipe) << name;
    EXPECT_EQ(shell_command(command_of(*recipe, "b.png")),
              "semblance generate --base film_xl.safetensors --vae sdxl_vae.safetensors --face 'me "
              "and you.png' --prompt 'film still of a man, el niño — \\[soft\\]' --negative '' "
              "--steps 20 --scheduler euler_a --sigmas karras --guidance 4.5 --seed "
              "18446744073709551615 --lora film.safetensors:0.8:0.5 --identity-strength 0.65 "
              "--identity-noise 0.35 --encoding weighted --spacing linspace --noise comfy "
              "--noise-batch 2 --size 1016x1016 -o b.png");
    ASSERT_EQ(recipe->notes.size(), 2U);
    EXPECT_EQ(
        recipe->notes[0],
        "it is one of the 2 pictures of a batch: --noise-picture, from 0 to 1, chooses which");
    EXPECT_TRUE(needs_of(*recipe).empty());
  }
}

TEST(ComfyRecipe, OfTextToImage) {
  EXPECT_EQ(graph_command(text_to_image()),
            "semblance generate --base xl.safetensors --face FACE.jpg --prompt 'a man' --negative "
            "blurry --steps 20 --scheduler dpmpp_2m --sigmas uniform --guidance 8 --seed 5 "
            "--identity-strength 0 --adapter-strength 0 --noise comfy --size 512x768 -o b.png");
  EXPECT_EQ(graph_notes(text_to_image()), "");
}

TEST(ComfyRecipe, ReadsSamplersByTheirNamesThere) {
  json graph = text_to_image();
  json& inputs = graph["3"]["inputs"];
  inputs["sampler_name"] = "ddim";  // Euler by another name
  inputs["scheduler"] = "ddim_uniform";
  EXPECT_TRUE(has_words(graph, "--scheduler euler --sigmas ddim"));
  inputs["sampler_name"] = "res_multistep";
  inputs["scheduler"] = "kl_optimal";
  EXPECT_EQ(graph_notes(graph),
            "the sampler res_multistep is not known; the model's own is used\n");
  inputs["sampler_name"] = "euler";
  EXPECT_EQ(graph_notes(graph),
            "the noise levels kl_optimal are not available; Automatic is used\n");
}

TEST(ComfyRecipe, ReadsTheSplitSampler) {
  json graph = text_to_image();
  graph["3"] = json::parse(R"({"class_type": "SamplerCustomAdvanced", "inputs": {
      "noise": ["20", 0], "guider": ["21", 0], "sampler": ["22", 0], "sigmas": ["23", 0],
      "latent_image": ["5", 0]}})");
  graph["20"] = json::parse(R"({"class_type": "RandomNoise", "inputs": {"noise_seed": 77}})");
  graph["21"] = json::parse(R"({"class_type": "CFGGuider", "inputs": {"cfg": 3.5,
      "model": ["4", 0], "positive": ["6", 0], "negative": ["7", 0]}})");
  graph["22"] =
      json::parse(R"({"class_type": "KSamplerSelect", "inputs": {"sampler_name": "heun"}})");
  graph["23"] = json::parse(R"({"class_type": "BasicScheduler", "inputs": {
      "scheduler": "simple", "steps": 12, "denoise": 1, "model": ["4", 0]}})");
  EXPECT_EQ(graph_command(graph),
            "semblance generate --base xl.safetensors --face FACE.jpg --prompt 'a man' --negative "
            "blurry --steps 12 --scheduler heun --sigmas simple --guidance 3.5 --seed 77 "
            "--identity-strength 0 --adapter-strength 0 --spacing linspace --noise comfy --size "
            "512x768 -o b.png");
}

/// int(20 / 0.6) = 33 noise levels, of which the last 20 are used.
TEST(ComfyRecipe, StartsFromAPictureAsThere) {
  json graph = text_to_image();
  graph["3"]["inputs"]["latent_image"] = {"12", 0};
  graph["12"] = json::parse(
      R"({"class_type": "VAEEncode", "inputs": {"pixels": ["13", 0], "vae": ["4", 2]}})");
  graph["13"] = json::parse(R"({"class_type": "LoadImage", "inputs": {"image": "in/scene.png"}})");
  for (const auto& [denoise, steps] : {std::pair(0.6, 20), std::pair(0.35, 7), std::pair(0.9, 30),
                                       std::pair(0.99, 50), std::pair(1.0, 20)}) {
    graph["3"]["inputs"]["denoise"] = denoise;
    graph["3"]["inputs"]["steps"] = steps;
    const Recipe recipe = recipe_of(graph);
    EXPECT_EQ(recipe.request.step_count(), static_cast<int>(steps / denoise));
    EXPECT_EQ(recipe.request.step_count() - recipe.request.skipped_steps(), steps);
  }
  graph["3"]["inputs"]["denoise"] = 0.6;
  graph["3"]["inputs"]["steps"] = 20;
  EXPECT_TRUE(has_words(graph, "--init scene.png"));
  EXPECT_TRUE(has_words(graph, "--steps 33"));
  EXPECT_TRUE(has_words(graph, "--strength 0.6061"));
  graph["3"]["class_type"] = "KSamplerAdvanced";
  graph["3"]["inputs"].erase("denoise");
  graph["3"]["inputs"]["start_at_step"] = 5;
  graph["3"]["inputs"]["end_at_step"] = 10000;
  EXPECT_TRUE(has_words(graph, "--steps 20"));
  EXPECT_TRUE(has_words(graph, "--strength 0.75"));
  graph["3"]["inputs"]["end_at_step"] = 15;
  EXPECT_EQ(graph_notes(graph), "end_at_step: 15 is not carried over\n");
}

TEST(ComfyRecipe, IsOfTheFirstPass) {
  json graph = text_to_image();
  graph["30"] = graph["3"];
  graph["30"]["inputs"]["latent_image"] = {"31", 0};
  graph["30"]["inputs"]["denoise"] = 0.5;
  graph["30"]["inputs"]["steps"] = 99;
  graph["31"] = json::parse(R"({"class_type": "LatentUpscale", "inputs": {"samples": ["3", 0],
      "width": 1024, "height": 1536}})");
  graph["8"]["inputs"]["samples"] = {"30", 0};
  EXPECT_TRUE(has_words(graph, "--steps 20"));
  EXPECT_EQ(graph_notes(graph), "the node 30 (KSampler) is not carried over\n");
}

TEST(ComfyRecipe, NamesNodesThatItLeavesOut) {
  json graph = text_to_image();
  graph["3"]["inputs"]["positive"] = {"40", 0};
  graph["3"]["inputs"]["negative"] = {"40", 1};
  graph["3"]["inputs"]["model"] = {"41", 0};
  graph["40"] = json::parse(R"({"class_type": "ControlNetApplyAdvanced", "inputs": {
      "strength": 1, "positive": ["6", 0], "negative": ["42", 0]}})");
  graph["41"] = json::parse(
      R"({"class_type": "ModelSamplingDiscrete", "inputs": {"sampling": "v_prediction",
      "zsnr": true, "model": ["43", 0]}})");
  graph["42"] =
      json::parse(R"({"class_type": "ConditioningZeroOut", "inputs": {"conditioning": ["6", 0]}})");
  graph["43"] = json::parse(R"({"class_type": "RescaleCFG", "inputs": {"multiplier": 0.7,
      "model": ["44", 0]}})");
  graph["44"] = json::parse(R"({"class_type": "PerturbedAttentionGuidance", "inputs": {"scale": 3,
      "model": ["4", 0]}})");
  EXPECT_EQ(graph_notes(graph),
            "the node 40 (ControlNetApplyAdvanced) is not carried over\n"
            "the node 43 (RescaleCFG) is not carried over\n");
  EXPECT_TRUE(has_words(graph, "--perturbed-guidance 3"));
  EXPECT_TRUE(has_words(graph, "--prediction v --zero-snr"));
  EXPECT_FALSE(recipe_of(graph).request.negative);
}

TEST(ComfyRecipe, ReadsPromptsAsThere) {
  json graph = text_to_image();
  graph["6"]["inputs"]["text"] = "a (man:1.2) [x] embedding:easy, <lora:film:1> {red} \\(y\\)";
  EXPECT_TRUE(has_words(
      graph, "--prompt 'a (man:1.2) \\[x\\] easy,  \\{red\\} \\(y\\)' --negative blurry"));
  EXPECT_TRUE(has_words(graph, "--encoding a1111"));
  EXPECT_EQ(graph_notes(graph),
            "ComfyUI weighs words in another way, which is close to a1111's\n"
            "easy is an embedding: give its file with --embedding\n"
            "prompt: <lora:film:1> is not carried over\n");
  graph["6"]["inputs"] = {{"text", "a man"}, {"clip", {"50", 0}}};
  graph["50"] = json::parse(
      R"({"class_type": "CLIPSetLastLayer", "inputs": {"stop_at_clip_layer": -3,
      "clip": ["4", 1]}})");
  EXPECT_TRUE(has_words(graph, "--clip-skip 1"));
}

TEST(ComfyRecipe, TakesOnePersonOnly) {
  json graph = text_to_image();
  const auto apply = [](const char* model, const char* photo) {
    return json{{"class_type", "ApplyInstantID"},
                {"inputs",
                 {{"weight", 0.6},
                  {"start_at", 0.0},
                  {"end_at", 0.8},
                  {"image", {photo, 0}},
                  {"image_kps", {"63", 0}},
                  {"model", {model, 0}},
                  {"positive", {"6", 0}},
                  {"negative", {"7", 0}}}}};
  };
  graph["60"] = apply("4", "61");
  graph["62"] = apply("60", "63");
  graph["61"] = json::parse(R"({"class_type": "LoadImage", "inputs": {"image": "one.png"}})");
  graph["63"] = json::parse(R"({"class_type": "LoadImage", "inputs": {"image": "two.png"}})");
  graph["3"]["inputs"]["model"] = {"62", 0};
  EXPECT_TRUE(has_words(graph, "--face one.png --pose two.png"));
  EXPECT_TRUE(
      has_words(graph, "--identity-strength 0.6 --adapter-strength 0.6 --identity-end 0.8"));
  EXPECT_TRUE(has_words(graph, "--identity-noise 0.35"));
  EXPECT_EQ(graph_notes(graph),
            "where the face starts and ends is a noise level there, and a fraction of the steps "
            "here\nthe node 62 (ApplyInstantID) is not carried over\n");
}

TEST(ComfyRecipe, RefusesWhatIsNoGraph) {
  const auto refused = [](const std::string& part, const std::string& graph) {
    expect_error(ErrorKind::kCorrupt, part, [&] { read_recipe(graph_texts(graph), "a.png"); });
  };
  refused(
      "cannot read ComfyUI's graph in a.png: expected nodes with class_type and inputs, got none",
      "{}");
  refused("got another value for 3", R"({"3": {"class_type": "KSampler"}})");
  refused("got another value for 3", R"({"3": 5})");
  refused("got another value for 3", R"({"3": {"class_type": 5, "inputs": {}}})");
  refused("expected a node that samples", R"({"3": {"class_type": "LoadImage", "inputs": {}}})");
  refused("invalid JSON at line 1", text_to_image().dump().substr(0, 300));
  refused("nested at most 64 deep", "{\"3\": " + std::string(5000, '['));
  refused("expected at most 4194304 bytes",
          "{\"3\": \"" + std::string(std::size_t{4} << 20U, 'a') + "\"}");
  json many = json::object();
  for (int i = 0; i < 5001; ++i)
    many[std::to_string(i)] = {{"class_type", "x"}, {"inputs", json::object()}};
  refused("expected at most 5000 nodes, got 5001", many.dump());
}

TEST(ComfyRecipe, RefusesLinksThatLeadBack) {
  json graph = text_to_image();
  graph["5"]["inputs"]["width"] = {"3", 0};
  expect_error(ErrorKind::kCorrupt, "cannot read ComfyUI's graph in a.png: the links of its node ",
               [&] { recipe_of(graph); });
  graph = text_to_image();
  graph["4"]["inputs"]["model"] = {"4", 0};
  expect_error(ErrorKind::kCorrupt, "node 4 (CheckpointLoaderSimple) lead back to it",
               [&] { recipe_of(graph); });
}

/// A chain of thousands of nodes, each with two links to the next, takes no time and no stack.
TEST(ComfyRecipe, FollowsLongChains) {
  json graph = text_to_image();
  graph["3"]["inputs"]["model"] = {"1000", 0};
  for (int i = 1000; i < 5900; ++i) {
    const std::string next = i == 5899 ? "4" : std::to_string(i + 1);
    graph[std::to_string(i)] = {
        {"class_type", "Patch"},
        {"inputs", {{"model", {next, 0}}, {"other", {next, 0}}, {"text", {next, 0}}}}};
  }
  EXPECT_TRUE(has_words(graph, "--base xl.safetensors"));
  EXPECT_EQ(recipe_of(graph).notes.size(), 4900U);
}

}  // namespace
}  // namespace semblance
