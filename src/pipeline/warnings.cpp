#include "pipeline/warnings.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "core/short_text.h"
#include "core/stop.h"
#include "pipeline/loras.h"
#include "pipeline/opened_models.h"
#include "pipeline/prompts.h"
#include "sampling/sampler.h"
#include "text/language_hint.h"
#include "text/prompt.h"
#include "text/styles.h"
#include "weights/names.h"

namespace semblance {
namespace {

constexpr std::array<std::string_view, 10> kCodes{
    "prompt_weights",  "prompt_cut", "prompt_schedule", "prompt_and", "prompt_lora",
    "prompt_language", "sampler",    "lora_layers",     "init_alpha", "people_overlap"};

/// Cuts to at most kMostDetailBytes, between two characters.
std::string shortened(std::string text) {
  return short_text(text, Warning::kMostDetailBytes, "\u2026");
}

}  // namespace

std::string_view code_of(Warning::Kind kind) { return kCodes[static_cast<std::size_t>(kind)]; }

std::optional<Warning::Kind> warning_kind(std::string_view code) {
  const auto found = std::ranges::find(kCodes, code);
  if (found == kCodes.end()) return std::nullopt;
  return static_cast<Warning::Kind>(found - kCodes.begin());
}

std::string text_of(const Warning& warning, Language language, const PromptNames& names) {
  const std::string_view prompt = warning.in_negative ? names.negative : names.prompt;
  switch (warning.kind) {
    case Warning::Kind::kPromptWeights:
      return text_in(language, Message::kPromptWeights, prompt);
    case Warning::Kind::kPromptCut:
      return text_in(language, Message::kPromptCut, prompt, warning.tokens, warning.detail);
    case Warning::Kind::kPromptSchedule:
      return text_in(language, Message::kPromptSchedule, prompt, warning.detail);
    case Warning::Kind::kPromptAnd:
      return text_in(language, Message::kPromptAnd, prompt);
    case Warning::Kind::kPromptLora:
      return text_in(language, Message::kPromptLora, prompt, warning.detail);
    case Warning::Kind::kPromptLanguage:
      return text_in(language, Message::kPromptLanguage, prompt, warning.detail);
    case Warning::Kind::kSampler:
      return text_in(language, Message::kOtherSampler, warning.detail);
    case Warning::Kind::kLoraLayers:
      return text_in(language, Message::kLoraLayers, warning.tokens, warning.detail);
    case Warning::Kind::kInitAlpha:
      return text_in(language, Message::kInitAlpha);
    case Warning::Kind::kPeopleOverlap:
      return text_in(language, Message::kPeopleOverlap, warning.detail);
  }
  return {};
}

std::vector<std::string> texts_of(const std::vector<Warning>& warnings, Language language) {
  std::vector<std::string> texts;
  texts.reserve(warnings.size());
  for (const Warning& warning : warnings) texts.push_back(text_of(warning, language));
  return texts;
}

namespace {

/// Finds the warnings about a request's prompts.
class PromptWarnings {
 public:
  PromptWarnings(const OpenedModels& models, const Request& request, const std::stop_token& stop)
      : models_(models), is_plain_(encoding_of(request) == PromptEncoding::kPlain), stop_(stop) {
    prompts_ = parse_prompts(request);
    std::rotate(prompts_.begin(), prompts_.begin() + 1, prompts_.end());
  }

  std::vector<Warning> find() {
    each(Warning::Kind::kPromptWeights, [&](const ParsedPrompt& prompt, Warning&) {
      return is_plain_ && uses_prompt_weights(prompt.text);
    });
    each(Warning::Kind::kPromptCut,
         [&](const ParsedPrompt& prompt, Warning& warning) { return is_cut(prompt, warning); });
    each(Warning::Kind::kPromptSchedule, [](const ParsedPrompt& prompt, Warning& warning) {
      warning.detail = shortened(prompt.schedule);
      return !prompt.schedule.empty();
    });
    each(Warning::Kind::kPromptAnd,
         [](const ParsedPrompt& prompt, Warning&) { return prompt.has_and; });
    each(Warning::Kind::kPromptLora, [](const ParsedPrompt& prompt, Warning& warning) {
      if (!warning.in_negative) return false;
      std::vector<std::string_view> names;
      for (const LoraTag& lora : prompt.loras) names.push_back(lora.name);
      warning.detail = shortened(fmt::format("{}", fmt::join(names, ", ")));
      return !names.empty();
    });
    each(Warning::Kind::kPromptLanguage, [](const ParsedPrompt& prompt, Warning& warning) {
      if (!looks_not_english(prompt.text)) return false;
      const Styles styles;
      std::vector<std::string_view> names = styles.names();
      std::erase(names, kNoStyle);
      warning.detail = shortened(fmt::format("{}", fmt::join(names, ", ")));
      return true;
    });
    return std::move(warnings_);
  }

 private:
  /// Adds a warning for the prompts, then for the negative prompt, where `is_so` gives true.
  template <typename F>
  void each(Warning::Kind kind, F&& is_so) {
    for (std::size_t i = 0; i < prompts_.size(); ++i) {
      Warning warning{.kind = kind, .in_negative = i + 1 == prompts_.size()};
      if (!is_so(prompts_[i], warning)) continue;
      if (std::ranges::find(warnings_, warning) == warnings_.end())
        warnings_.push_back(std::move(warning));
    }
  }

  /// Other encodings than plain read it all.
  bool is_cut(const ParsedPrompt& prompt, Warning& warning) const {
    if (!is_plain_) return false;
    warning.tokens = models_.prompt_length(0);
    EncodedText encoded = models_.tokenizers[0].encode(prompt.text, warning.tokens, stop_);
    warning.detail = shortened(std::move(encoded.cut_text));
    return !warning.detail.empty();
  }

  const OpenedModels& models_;
  bool is_plain_;
  const std::stop_token& stop_;
  std::vector<ParsedPrompt> prompts_;  // the negative one last
  std::vector<Warning> warnings_;
};

}  // namespace

std::vector<Warning> find_warnings(const OpenedModels& models, const Request& request,
                                   const AppliedLoras* loras, const std::stop_token& stop) {
  std::vector<Warning> warnings = PromptWarnings(models, request, stop).find();
  const SchedulerConfig& scheduler = models.scheduler;
  if (!request.scheduler && find_sampler(scheduler) == nullptr)
    warnings.push_back(
        {.kind = Warning::Kind::kSampler, .detail = shortened(scheduler.class_name)});
  if (loras != nullptr) {
    for (const AppliedLoras::Unmatched& lora : loras->unmatched) {
      warnings.push_back({.kind = Warning::Kind::kLoraLayers,
                          .tokens = static_cast<int>(lora.layers.size()),
                          .detail = shortened(fmt::format("{}: {}", printable(lora.name),
                                                          fmt::join(lora.layers, ", ")))});
    }
  }
  if (request.has_alpha) warnings.push_back({.kind = Warning::Kind::kInitAlpha});
  if (const auto two = overlapping_boxes(request)) {
    warnings.push_back({.kind = Warning::Kind::kPeopleOverlap,
                        .detail = fmt::format("{}, {}", two->first, two->second)});
  }
  check_stop(stop);
  return warnings;
}

}  // namespace semblance
