// Recipes from ComfyUI's graph: the sampler of the first pass, and what its inputs lead to. The
// names of nodes and inputs are those of its nodes.py and comfy_extras, and of ComfyUI_InstantID.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "app/comfy_graph.h"
#include "app/recipe_readers.h"
#include "app/web_ui.h"
#include "core/error.h"
#include "face/identity.h"

namespace semblance {
namespace {

using nlohmann::json;
using ComfyNode = ComfyGraph::Node;

bool is_sampler(const ComfyNode& node) {
  return node.inputs->contains("latent_image") &&
         (node.inputs->contains("sampler_name") || node.inputs->contains("sampler"));
}

/// What a node of ComfyUI_InstantID sets.
struct InstantIdNode {
  std::string_view type;
  std::string_view adapter;   // the input with the strength; empty: it does not set it
  std::string_view identity;  // likewise
  std::string_view noise;     // where the node has no input "noise"
};
constexpr InstantIdNode kInstantIdNodes[] = {
    {"ApplyInstantID", "weight", "weight", "0.35"},
    {"ApplyInstantIDAdvanced", "ip_weight", "cn_strength", "0"},
    {"InstantIDAttentionPatch", "weight", "", "0"},
    {"ApplyInstantIDControlNet", "", "strength", "0"},
};
const InstantIdNode* instant_id_of(const ComfyNode& node) {
  const auto* const found = std::ranges::find(kInstantIdNodes, node.type, &InstantIdNode::type);
  return found == std::end(kInstantIdNodes) ? nullptr : found;
}

class ComfyReader {
 public:
  ComfyReader(const ComfyGraph& graph, Recipe& recipe) : graph_(graph), recipe_(recipe) {}

  void read(const ComfyNode& sampler) {
    for (const std::string_view key : {"", "noise", "guider", "sampler", "sigmas"}) {
      const ComfyNode* const source = key.empty() ? &sampler : graph_.linked(sampler, key);
      if (source != nullptr) settings_.push_back(source);
    }
    read_sampling();
    read_latent(sampler);
    read_prompts();
    for (const ComfyNode* node : settings_) {
      if (const ComfyNode* const model = graph_.linked(*node, "model")) {
        read_model(*model);
        break;
      }
    }
    for (const ComfyNode* node : graph_.upstream(sampler)) {
      if (const InstantIdNode* const kind = instant_id_of(*node)) read_instant_id(*node, *kind);
    }
    read_vae();
  }

  void note_node(const ComfyNode& node) {
    if (noted_.insert(&node).second)
      note(recipe_, recipe_words::kNoteNode, noted_text(node.id), noted_text(node.type));
  }

 private:
  Request& request() { return recipe_.request; }

  /// A value of the sampler, or of what makes its noise, guidance and noise levels.
  std::optional<std::string> setting(std::string_view key) const {
    for (const ComfyNode* node : settings_) {
      if (auto text = graph_.text(*node, key)) return text;
    }
    return std::nullopt;
  }

  template <typename T>
  void take_input(const ComfyNode& node, std::string_view key, const Parameter& row, T& member) {
    if (const auto text = graph_.text(node, key)) take(recipe_, row, key, *text, member);
  }

  void note_input(std::string_view key, std::string_view value) {
    note(recipe_, recipe_words::kNoteField, key, noted_text(value));
  }

  void read_sampling() {
    if (const auto steps = setting("steps"))
      take(recipe_, parameters::kSteps, "steps", *steps, request().steps);
    if (const auto scale = setting("cfg"))
      take(recipe_, parameters::kGuidance, "cfg", *scale, request().guidance);
    for (const std::string_view key : {"seed", "noise_seed"}) {
      if (const auto seed = setting(key))
        take(recipe_, parameters::kSeed, key, *seed, request().seed);
    }
    request().noise = std::string("comfy");
    const std::string named = setting("sampler_name").value_or("");
    const std::string scheduler = setting("scheduler").value_or("");
    // That program runs Euler under the name of DDIM.
    const auto sampling = web_ui_sampling(named == "ddim" ? "euler" : named, scheduler);
    if (!sampling) {
      note(recipe_, recipe_words::kNoteNoSampler, noted_text(named));
      return;
    }
    const std::string_view title = sampling->sampler->title;
    if (sampling->is_nearest) note(recipe_, recipe_words::kNoteNearestSampler, named, title);
    if (sampling->lacks_scheduler) {
      note(recipe_, recipe_words::kNoteNoCurve, noted_text(scheduler), sampling->curve->title);
    }
    if (sampling->unused != nullptr)
      note(recipe_, recipe_words::kNoteUnusedCurve, sampling->unused->title, title);
    set_sampling(*sampling, request());
  }

  /// The size of a new latent, or the picture that it is made from.
  void read_latent(const ComfyNode& sampler) {
    const ComfyNode* node = graph_.linked(sampler, "latent_image");
    while (node != nullptr && !is_picture_of(*node)) {
      const ComfyNode* next = nullptr;
      for (const std::string_view key : {"samples", "latent", "latent_image"}) {
        if (next == nullptr) next = graph_.linked(*node, key);
      }
      note_node(*node);
      node = next;
    }
    read_denoising(node != nullptr && graph_.linked(*node, "pixels") != nullptr);
  }

  /// Whether the node makes a latent, whose size or picture is then taken.
  bool is_picture_of(const ComfyNode& node) {
    if (const ComfyNode* const pixels = graph_.linked(node, "pixels")) {
      const std::vector<std::string> pictures = pictures_at(*pixels);
      if (!pictures.empty()) recipe_.initial = pictures.front();
      for (const ComfyNode* each : graph_.upstream(*pixels)) read_size(*each);
      if (node.inputs->contains("mask")) note_node(node);
      return true;
    }
    if (!read_size(node)) return false;
    if (graph_.number(node, "batch_size").value_or(1) <= 1) return true;
    take_input(node, "batch_size", parameters::kNoiseBatch, request().noise_batch);
    if (const auto batch = request().noise_batch)
      note(recipe_, recipe_words::kNoteBatch, *batch, *batch - 1);
    return true;
  }

  bool read_size(const ComfyNode& node) {
    for (const auto& [w, h] :
         {std::pair("width", "height"), std::pair("empty_latent_width", "empty_latent_height")}) {
      const auto width = graph_.text(node, w), height = graph_.text(node, h);
      if (!width || !height) continue;
      take_size(recipe_, w, *width + 'x' + *height);
      return true;
    }
    return false;
  }

  /// There a run of N steps that starts late makes all N, of more: here the whole number counts.
  void read_denoising(bool from_picture) {
    const auto number = [this](std::string_view key, double usual) {
      const auto text = setting(key);
      const auto value = text ? json::parse(*text, nullptr, false) : json();
      return value.is_number() ? value.get<double>() : usual;
    };
    const int steps = request().step_count();
    const double denoise = number("denoise", 1);
    const double start = number("start_at_step", 0), end = number("end_at_step", steps);
    int whole = steps, made = steps;
    if (denoise > 0 && denoise < 1) {
      whole = static_cast<int>(std::min(steps / denoise, parameters::kSteps.most));
    } else if (start >= 1 && start < steps) {
      made = steps - static_cast<int>(start);
    }
    if (end < steps) note_input("end_at_step", *setting("end_at_step"));
    if (!from_picture) {
      for (const std::string_view key : {"denoise", "start_at_step"}) {
        if (made < whole && setting(key)) note_input(key, *setting(key));
      }
      return;
    }
    request().steps = whole;
    request().strength = strength_of(made, whole);
  }

  /// The text that an input leads to. `key` is "positive" or "negative".
  std::optional<std::string> prompt_at(const ComfyNode& from, std::string_view key) {
    const ComfyNode* node = &from;
    std::string_view input = key;
    for (;;) {
      const auto value = node->inputs->find(input);
      if (value != node->inputs->end() && value->is_string()) return value->get<std::string>();
      node = graph_.linked(*node, input);
      if (node == nullptr || node->type == "ConditioningZeroOut") return std::nullopt;
      for (const std::string_view name : {"text", "text_g", "prompt", "string"}) {
        const auto text = graph_.text(*node, name);
        if (!text) continue;
        read_clip(*node);
        return text;
      }
      input = {};
      for (const std::string_view name :
           {key, std::string_view("conditioning"), std::string_view("conditioning_1"),
            std::string_view("conditioning_to")}) {
        if (input.empty() && node->inputs->contains(name)) input = name;
      }
      if (instant_id_of(*node) == nullptr) note_node(*node);
      if (input.empty()) return std::nullopt;
    }
  }

  void read_clip(const ComfyNode& encoder) {
    for (const ComfyNode* node = graph_.linked(encoder, "clip"); node != nullptr;
         node = graph_.linked(*node, "clip")) {
      const auto layer = graph_.number(*node, "stop_at_clip_layer");
      if (!layer) continue;
      // SDXL's own is -2.
      const int skipped = static_cast<int>(std::clamp(-*layer, -100.0, 100.0)) - 2;
      take(recipe_, parameters::kClipSkip, "stop_at_clip_layer", std::to_string(skipped),
           request().clip_skip);
    }
  }

  void read_prompts() {
    std::optional<std::string> prompt, negative;
    for (const ComfyNode* node : settings_) {
      if (!prompt) prompt = prompt_at(*node, "positive");
      if (!prompt) prompt = prompt_at(*node, "conditioning");
      if (!negative) negative = prompt_at(*node, "negative");
    }
    const bool has_weights = has_syntax(prompt) || has_syntax(negative);
    if (has_weights) {
      if ((prompt.value_or("") + negative.value_or("")).find('(') != std::string::npos)
        note(recipe_, recipe_words::kNoteWeights);
      // With a1111's, an empty negative prompt would be none.
      request().encoding = std::string(negative.value_or("").empty() ? "weighted" : "a1111");
    }
    if (prompt) {
      take(recipe_, parameters::kPrompt, "positive", plain_words(*prompt, has_weights),
           request().prompt);
    }
    if (negative) {
      take(recipe_, parameters::kNegative, "negative", plain_words(*negative, has_weights),
           request().negative);
    }
  }

  static bool has_syntax(const std::optional<std::string>& prompt) {
    return prompt && prompt->find_first_of("()[]\\") != prompt->npos;
  }

  /// There [x] and <lora:x:1> are text, and embeddings are embedding:name.
  std::string plain_words(std::string prompt, bool has_weights) {
    if (prompt.size() > kMostPromptBytes) return prompt;  // it will be refused
    constexpr std::string_view kMark = "embedding:";
    for (std::size_t at = prompt.find(kMark); at != prompt.npos; at = prompt.find(kMark, at)) {
      prompt.erase(at, kMark.size());
      const std::size_t end = std::min(prompt.find_first_of(" ,()\n", at), prompt.size());
      note(recipe_, recipe_words::kNoteEmbedding, noted_text(prompt.substr(at, end - at)));
    }
    constexpr std::string_view kLora = "<lora:";
    for (std::size_t at = prompt.find(kLora); at != prompt.npos; at = prompt.find(kLora, at)) {
      const std::size_t end = std::min(prompt.find('>', at), prompt.size() - 1) + 1;
      note_input("prompt", prompt.substr(at, end - at));
      prompt.erase(at, end - at);
    }
    std::string text;
    for (const char c : prompt) {
      if (has_weights && (c == '[' || c == ']')) text += '\\';
      text += c;
    }
    return text;
  }

  void read_model(const ComfyNode& first) {
    for (const ComfyNode* node = &first; node != nullptr; node = graph_.linked(*node, "model")) {
      const auto base = graph_.text(*node, "ckpt_name"), unet = graph_.text(*node, "unet_name");
      if (base) recipe_.models.base = file_part(*base);
      if (unet) recipe_.models.unet = file_part(*unet);
      const bool is_known = read_lora(*node) || read_model_change(*node) || base || unet ||
                            instant_id_of(*node) != nullptr;
      if (!is_known) note_node(*node);
    }
  }

  bool read_lora(const ComfyNode& node) {
    const auto name = graph_.text(node, "lora_name");
    if (!name) return false;
    const auto weight_of = [&](std::string_view key, double usual) {
      constexpr double kMost = 1000;  // beyond what is allowed
      return static_cast<float>(
          std::clamp(graph_.number(node, key).value_or(usual), -kMost, kMost));
    };
    const float weight = weight_of("strength_model", 1);
    const bool has_text = node.inputs->contains("clip");
    const float text_weight = has_text ? weight_of("strength_clip", weight) : 0;
    if (weight == 0 && text_weight == 0) return true;
    const LoraChoice choice{.name = file_part(*name), .weight = weight, .text_weight = text_weight};
    std::vector<std::string> loras = request().loras;
    loras.insert(loras.begin(), text_of(choice));
    if (const auto problem = problem_of(parameters::kLoras, loras))
      note(recipe_, recipe_words::kNoteValue, "lora_name", *problem);
    else
      request().loras = std::move(loras);
    return true;
  }

  bool read_model_change(const ComfyNode& node) {
    if (node.type == "ModelSamplingDiscrete") {
      const std::string sampling = graph_.text(node, "sampling").value_or("");
      if (sampling != "eps" && sampling != "v_prediction") return false;
      request().prediction = std::string(sampling == "eps" ? "epsilon" : "v");
      const json* const zero = graph_.value(node, "zsnr");
      request().zero_snr = zero != nullptr && zero->is_boolean() && zero->get<bool>();
      return true;
    }
    if (node.type == "FreeU") {
      const auto is = [&](std::string_view key, double want) {
        return graph_.number(node, key) == want;
      };
      request().freeu = is("b1", 1.3) && is("b2", 1.4) && is("s1", 0.9) && is("s2", 0.2);
      return request().freeu;
    }
    if (node.type != "PerturbedAttentionGuidance") return false;
    take_input(node, "scale", parameters::kPerturbedGuidance, request().perturbed_guidance);
    return true;
  }

  void read_instant_id(const ComfyNode& node, const InstantIdNode& kind) {
    const bool is_second =
        (!kind.adapter.empty() && has_adapter_) || (!kind.identity.empty() && has_identity_);
    if (is_second) {
      note_node(node);
      return;
    }
    if (!kind.adapter.empty()) {
      has_adapter_ = true;
      request().adapter_strength = 1;
      take_input(node, kind.adapter, parameters::kAdapterStrength, request().adapter_strength);
      take_input(node, "start_at", parameters::kAdapterStart, request().adapter_start);
      take_input(node, "end_at", parameters::kAdapterEnd, request().adapter_end);
      take(recipe_, parameters::kIdentityNoise, "noise",
           graph_.text(node, "noise").value_or(std::string(kind.noise)), request().identity_noise);
    }
    if (!kind.identity.empty()) {
      has_identity_ = true;
      request().identity_strength = 1;
      take_input(node, kind.identity, parameters::kIdentityStrength, request().identity_strength);
      take_input(node, "start_at", parameters::kIdentityStart, request().identity_start);
      take_input(node, "end_at", parameters::kIdentityEnd, request().identity_end);
    }
    if (graph_.number(node, "start_at").value_or(0) > 0 ||
        graph_.number(node, "end_at").value_or(1) < 1) {
      note(recipe_, recipe_words::kNoteWindow);
    }
    if (auto combine = graph_.text(node, "combine_embeds")) {
      std::ranges::replace(*combine, ' ', '_');
      take(recipe_, parameters::kCombine, "combine_embeds", *combine, request().combine);
    }
    if (const ComfyNode* const photo = graph_.linked(node, "image")) {
      if (recipe_.faces.empty()) recipe_.faces = pictures_at(*photo);
    }
    if (const ComfyNode* const pose = graph_.linked(node, "image_kps")) {
      const std::vector<std::string> pictures = pictures_at(*pose);
      if (!pictures.empty()) recipe_.pose = pictures.front();
    }
    if (const ComfyNode* const mask = graph_.linked(node, "mask")) note_node(*mask);
  }

  /// The files that the nodes behind one load, in the order of the graph.
  std::vector<std::string> pictures_at(const ComfyNode& node) const {
    constexpr std::size_t kMost = kMostPhotos;
    std::vector<std::string> names;
    for (const ComfyNode* each : graph_.upstream(node)) {
      const auto image = each->inputs->find("image");
      const bool loads = each->type.starts_with("LoadImage") && image != each->inputs->end();
      if (!loads || !image->is_string() || names.size() == kMost) continue;
      const std::string name = file_part(image->get_ref<const std::string&>());
      if (!name.empty() && name.find('\0') == name.npos) names.push_back(name);
    }
    return names;
  }

  void read_vae() {
    for (const ComfyNode* node : graph_.nodes()) {
      if (!node->type.starts_with("VAEDecode")) continue;
      const ComfyNode* const loader = graph_.linked(*node, "vae");
      const auto name = loader != nullptr ? graph_.text(*loader, "vae_name") : std::nullopt;
      if (name && name->find('.') != name->npos) recipe_.models.vae = file_part(*name);
    }
  }

  const ComfyGraph& graph_;
  Recipe& recipe_;
  std::vector<const ComfyNode*>
      settings_;  // the sampler, and the nodes with its noise, guidance, ...
  std::set<const ComfyNode*> noted_;
  bool has_adapter_ = false;
  bool has_identity_ = false;
};

/// The samplers that save a picture, those of a first pass in front.
std::vector<const ComfyNode*> samplers_in(const ComfyGraph& graph) {
  std::set<const ComfyNode*> after_sampler;  // a sampler is among the nodes behind it
  std::vector<const ComfyNode*> first, later;
  for (const ComfyNode* node : graph.nodes()) {
    const auto is_sampled = [&](const ComfyNode* source) {
      return is_sampler(*source) || after_sampler.contains(source);
    };
    if (std::ranges::any_of(node->sources, is_sampled)) after_sampler.insert(node);
    if (!is_sampler(*node) || !node->is_used) continue;
    const ComfyNode* const latent = graph.linked(*node, "latent_image");
    (latent != nullptr && is_sampled(latent) ? later : first).push_back(node);
  }
  first.insert(first.end(), later.begin(), later.end());
  return first;
}

/// Each node's values: "steps: 20, cfg: 8".
InfoFields fields_of(const ComfyGraph& graph) {
  constexpr std::size_t kMostFields = 200;
  InfoFields fields;
  for (const ComfyNode* node : graph.nodes()) {
    std::string values;
    for (const auto& [key, value] : node->inputs->items()) {
      if (value.is_array() || value.is_object() || value.is_null()) continue;
      const std::string shown = value.is_string() ? value.get<std::string>() : value.dump();
      values += fmt::format("{}{}: {}", values.empty() ? "" : ", ", key, noted_text(shown));
    }
    if (fields.size() < kMostFields && !values.empty())
      fields.emplace_back(noted_text(fmt::format("{} {}", node->type, node->id)),
                          std::move(values));
  }
  return fields;
}

}  // namespace

Recipe comfy_recipe(std::string_view text, const std::string& file) {
  const ComfyGraph graph(text, fmt::format("ComfyUI's graph in {}", file));
  Recipe recipe{.kind = Recipe::Kind::kComfyUi, .made_by = "ComfyUI", .fields = fields_of(graph)};
  Request& request = recipe.request;
  request.identity_strength = request.adapter_strength = 0;
  const std::vector<const ComfyNode*> all = samplers_in(graph);
  if (all.empty()) {
    fail(ErrorKind::kCorrupt,
         "cannot read ComfyUI's graph in {}: expected a node that samples, such as KSampler", file);
  }
  ComfyReader reader(graph, recipe);
  reader.read(*all.front());
  for (std::size_t i = 1; i < all.size(); ++i) reader.note_node(*all[i]);
  return recipe;
}

}  // namespace semblance
