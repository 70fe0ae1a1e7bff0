#include "pipeline/prompts.h"

#include <algorithm>
#include <string>

#include "core/error.h"
#include "pipeline/stage_graphs.h"
#include "text/prompt_tokens.h"

namespace semblance {
namespace {

/// The negative prompt, then the prompts.
using Prompts = std::vector<ParsedPrompt>;

/// Whether a prompt is what a plain encoding makes of it.
bool is_plain(const OpenedModels& models, const ParsedPrompt& prompt, const std::stop_token& stop) {
  if (!prompt.is_plain) return false;
  const int room = models.prompt_length(0) - 2;
  if (models.tokenizers.empty()) return estimated_tokens(prompt.text) <= room;
  return std::ranges::all_of(models.tokenizers, [&](const Tokenizer& tokenizer) {
    const std::vector<VectorWord> words = vector_words(models.embeddings);
    return static_cast<int>(ids_of(prompt.text, tokenizer, words, stop).size()) <= room;
  });
}

PromptEncoding resolved(const OpenedModels& models, const Request& request, const Prompts& prompts,
                        const std::stop_token& stop) {
  const PromptEncoding asked = encoding_of(request);
  if (asked != PromptEncoding::kAuto) return asked;
  const auto unread = guidance_halves(models, request) == 1 ? 1 : 0;
  const bool all =
      std::all_of(prompts.begin() + unread, prompts.end(),
                  [&](const ParsedPrompt& prompt) { return is_plain(models, prompt, stop); });
  return all ? PromptEncoding::kPlain : PromptEncoding::kWeighted;
}

/// How many of them are encoded; the unconditional half may be zeros instead.
int encoded_prompts(const OpenedModels& models, const Request& request, const Prompts& prompts,
                    PromptEncoding encoding) {
  const bool is_zero =
      encoding == PromptEncoding::kA1111
          ? request.negative.value_or("").empty()
          : encoding == PromptEncoding::kPlain && !request.negative && models.zero_absent_negative;
  const auto texts = static_cast<int>(prompts.size()) - 1;
  return is_zero || guidance_halves(models, request) == 1 ? texts : texts + 1;
}

/// The numbers for prompts of about so many tokens.
PromptLayout estimated(const OpenedModels& models, const Request& request, const Prompts& prompts) {
  PromptLayout layout{.encoding = resolved(models, request, prompts, {})};
  layout.texts = static_cast<int>(prompts.size()) - 1;
  layout.prompts = encoded_prompts(models, request, prompts, layout.encoding);
  const int length = models.prompt_length(0);
  const int room = length - 2;
  std::vector<int> tokens(prompts.size());
  std::vector<int> groups(prompts.size());
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    for (const std::vector<PromptPiece>& part : prompts[i].parts) {
      int own = 0;
      for (const PromptPiece& piece : part) own += estimated_tokens(piece.text);
      tokens[i] = (tokens[i] + room - 1) / room * room + own;
      groups[i] += std::max(1, (own + room - 1) / room);
    }
  }
  layout.tokens = length;
  if (layout.encoding == PromptEncoding::kWeighted) {
    const int most = *std::ranges::max_element(tokens);
    layout.groups = most / room + 1;
    layout.tokens = most + 2 * layout.groups;
  } else if (layout.encoding == PromptEncoding::kA1111) {
    const auto first = layout.has_negative() ? groups.begin() : groups.begin() + 1;
    layout.groups = *std::max_element(first, groups.end());
    layout.tokens = layout.groups * length;
  }
  return layout;
}

/// The groups of the prompts of a layout, for one encoder.
using Groups = std::vector<PromptGroups>;

/// Reads the ids of all prompts, and finds the layout's numbers of groups and tokens.
class PromptReader {
 public:
  PromptReader(const OpenedModels& models, const Prompts& prompts, PromptLayout layout,
               const std::stop_token& stop)
      : models_(models),
        prompts_(prompts),
        layout_(layout),
        stop_(stop),
        words_(vector_words(models.embeddings)) {}

  PromptInputs read() {
    PromptInputs inputs;
    if (layout_.encoding == PromptEncoding::kPlain) {
      for (std::size_t encoder = 0; encoder < 2; ++encoder)
        put(plain(models_.tokenizers[encoder]), encoder, inputs);
    } else {
      check_encoders();
      Groups groups = layout_.encoding == PromptEncoding::kWeighted ? weighted() : a1111();
      put(groups, 0, inputs);
      if (layout_.encoding == PromptEncoding::kA1111) {
        for (PromptGroups& each : groups)
          fill_behind_end(each.ids, shape_, models_.tokenizers[1].pad_id());
      }
      put(groups, 1, inputs);
    }
    inputs.layout = layout_;
    return inputs;
  }

 private:
  /// Both encoders read the first tokenizer's ids, as in the programs that this follows.
  void check_encoders() const {
    const std::int32_t ids = models_.tokenizers[0].size();
    if (ids <= models_.clip[1].vocab_size) return;
    fail(ErrorKind::kShape,
         "cannot encode a long or weighted prompt: expected a second text encoder with at least "
         "the first tokenizer's {} tokens, got one with {}\n  use --encoding plain",
         ids, models_.clip[1].vocab_size);
  }

  Groups plain(const Tokenizer& tokenizer) {
    shape_ = group_shape(tokenizer, models_.prompt_length(0));
    Groups groups;
    for (const ParsedPrompt& prompt : encoded()) {
      groups.push_back(
          plain_group(ids_of(prompt.text, tokenizer, words_, stop_), shape_, tokenizer.pad_id()));
    }
    return groups;
  }

  Groups weighted() {
    shape_ = group_shape(models_.tokenizers[0], models_.prompt_length(0));
    std::vector<PromptParts> parts;
    for (const ParsedPrompt& prompt : prompts_) parts.push_back(tokens(prompt));
    const Groups all = weighted_groups(parts, shape_);
    return {all.end() - layout_.prompts, all.end()};
  }

  Groups a1111() {
    shape_ = group_shape(models_.tokenizers[0], models_.prompt_length(0));
    Groups groups;
    for (const ParsedPrompt& prompt : encoded())
      groups.push_back(a1111_groups(tokens(prompt), shape_));
    std::size_t most = 0;
    for (const PromptGroups& each : groups) most = std::max(most, each.count(shape_));
    for (PromptGroups& each : groups) add_empty_groups(each, most, shape_);
    return groups;
  }

  std::span<const ParsedPrompt> encoded() const {
    return std::span(prompts_).last(static_cast<std::size_t>(layout_.prompts));
  }
  PromptParts tokens(const ParsedPrompt& prompt) const {
    return tokens_of(prompt, models_.tokenizers[0], words_, stop_);
  }

  /// Puts prompts in groups as [groups,prompts,length].
  void put(const Groups& prompts, std::size_t encoder, PromptInputs& inputs) {
    const auto length = static_cast<std::size_t>(shape_.length);
    const std::size_t count = prompts.front().count(shape_);
    layout_.groups = static_cast<int>(count);
    layout_.tokens = (layout_.groups - 1) * shape_.length + prompts.front().last_length;
    std::vector<std::int32_t>& ids = inputs.ids[encoder];
    inputs.weights.clear();
    for (std::size_t group = 0; group < count; ++group) {
      for (const PromptGroups& prompt : prompts) {
        const auto begin = static_cast<std::ptrdiff_t>(group * length);
        const auto end = begin + shape_.length;
        ids.insert(ids.end(), prompt.ids.begin() + begin, prompt.ids.begin() + end);
        inputs.weights.insert(inputs.weights.end(), prompt.weights.begin() + begin,
                              prompt.weights.begin() + end);
      }
    }
    layout_.has_vectors =
        layout_.has_vectors || std::ranges::any_of(ids, [](std::int32_t id) { return id < 0; });
  }

  const OpenedModels& models_;
  const Prompts& prompts_;
  PromptLayout layout_;
  const std::stop_token& stop_;
  std::vector<VectorWord> words_;
  GroupShape shape_;
};

}  // namespace

PromptEncoding encoding_of(const Request& request) {
  const auto found = std::ranges::find(kEncodingNames, lower(request.encoding.name));
  if (found == kEncodingNames.end()) {
    const Parameter& row = parameters::kEncoding;
    fail(ErrorKind::kArgument, "cannot take {}: {}", row.name,
         problem_of(row, request.encoding).value_or(""));
  }
  return static_cast<PromptEncoding>(found - kEncodingNames.begin());
}

PromptInputs read_prompts(const OpenedModels& models, const Request& request,
                          const std::stop_token& stop) {
  const Prompts prompts = parse_prompts(request);
  if (models.tokenizers.size() < 2) return {.layout = estimated(models, request, prompts)};
  PromptLayout layout{.encoding = resolved(models, request, prompts, stop)};
  layout.texts = static_cast<int>(prompts.size()) - 1;
  layout.prompts = encoded_prompts(models, request, prompts, layout.encoding);
  return PromptReader(models, prompts, layout, stop).read();
}

std::vector<ParsedPrompt> parse_prompts(const Request& request) {
  const auto parse =
      encoding_of(request) == PromptEncoding::kPlain ? parse_plain_prompt : parse_prompt;
  std::vector<ParsedPrompt> prompts{parse(request.negative.value_or(""))};
  for (const std::string& prompt : prompts_of(request)) prompts.push_back(parse(prompt));
  return prompts;
}

std::vector<std::string> loras_of(const Request& request) {
  std::vector<LoraChoice> of_prompt;
  const std::vector<ParsedPrompt> prompts = parse_prompts(request);
  for (const ParsedPrompt& prompt : std::span(prompts).subspan(1)) {
    const std::vector<LoraChoice> of_others = of_prompt;
    for (const LoraTag& tag : prompt.loras) {
      if (std::ranges::find(of_others, tag.name, &LoraChoice::name) != of_others.end()) continue;
      of_prompt.push_back({.name = tag.name,
                           .weight = static_cast<float>(tag.weight),
                           .text_weight = static_cast<float>(tag.text_weight)});
    }
  }
  std::vector<std::string> loras = request.loras;
  add_prompt_loras(of_prompt, loras);
  const double most = parameters::kLoras.most;
  if (static_cast<double>(loras.size()) > most) {
    fail(ErrorKind::kArgument,
         "cannot take the LoRAs of the prompt: expected at most {} in all, got {}", most,
         loras.size());
  }
  return loras;
}

void check_prompts(const Request& request) { static_cast<void>(loras_of(request)); }

const Request& most_demanding(const OpenedModels& models, std::span<const Request> requests) {
  SEMBLANCE_ASSERT(!requests.empty());
  if (requests.size() == 1) return requests.front();
  return *std::ranges::max_element(requests, {}, [&models](const Request& request) {
    return std::pair(read_prompts(models, request).layout.tokens, loras_of(request).size());
  });
}

}  // namespace semblance
