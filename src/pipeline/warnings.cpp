#include "pipeline/warnings.h"

#include <algorithm>
#include <array>

#include "pipeline/opened_models.h"
#include "sampling/sampler.h"
#include "text/prompt.h"

namespace semblance {
namespace {

constexpr std::array<std::string_view, 3> kCodes{"prompt_weights", "prompt_cut", "sampler"};

/// Cuts to at most kMostDetailBytes, between two characters.
std::string shortened(std::string text) {
  constexpr std::string_view kEllipsis = "\u2026";
  if (text.size() <= Warning::kMostDetailBytes) return text;
  std::size_t end = Warning::kMostDetailBytes - kEllipsis.size();
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  text.resize(end);
  return text.append(kEllipsis);
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
    case Warning::Kind::kSampler:
      return text_in(language, Message::kOtherSampler, warning.detail);
  }
  return {};
}

std::vector<std::string> texts_of(const std::vector<Warning>& warnings, Language language) {
  std::vector<std::string> texts;
  for (const Warning& warning : warnings) texts.push_back(text_of(warning, language));
  return texts;
}

std::vector<Warning> find_warnings(const OpenedModels& models, const Request& request,
                                   const std::stop_token& stop) {
  const std::string none;
  const std::array<const std::string*, 2> prompts{&request.prompt,
                                                  request.negative ? &*request.negative : &none};
  std::vector<Warning> warnings;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    if (uses_prompt_weights(*prompts[i]))
      warnings.push_back({.kind = Warning::Kind::kPromptWeights, .in_negative = i == 1});
  }
  const int tokens = models.prompt_length(0);
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    EncodedText encoded = models.tokenizers[0].encode(*prompts[i], tokens, stop);
    if (encoded.cut_text.empty()) continue;
    warnings.push_back({.kind = Warning::Kind::kPromptCut,
                        .in_negative = i == 1,
                        .tokens = tokens,
                        .detail = shortened(std::move(encoded.cut_text))});
  }
  const SchedulerConfig& scheduler = models.scheduler;
  if (!request.scheduler && find_sampler(scheduler) == nullptr)
    warnings.push_back(
        {.kind = Warning::Kind::kSampler, .detail = shortened(scheduler.class_name)});
  return warnings;
}

}  // namespace semblance
