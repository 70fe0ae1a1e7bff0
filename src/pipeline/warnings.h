// Warnings: things that the request or the model asks for and the picture will not have. They are
// found once, before anything is computed. Every front end reports them, and the picture's text
// includes them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "core/messages.h"
#include "pipeline/request.h"

namespace semblance {

struct AppliedLoras;
struct OpenedModels;

struct Warning {
  enum class Kind : std::uint8_t {
    kPromptWeights,   // "(snow:1.3)" is read as plain text
    kPromptCut,       // the prompt is longer than what the model reads
    kPromptSchedule,  // "[a:b:0.5]" does not change the prompt between steps
    kPromptAnd,       // AND does not mix prompts
    kPromptLora,      // "<lora:NAME:1>" in the negative prompt is not applied
    kPromptLanguage,  // the prompt does not look like English
    kSampler,         // the model names a sampler that Semblance lacks
    kLoraLayers,      // a LoRA has layers that the model does not have
    kInitAlpha,       // the picture to start from is transparent somewhere
    kPeopleOverlap,   // the boxes of two people overlap: there they are mixed
  };
  Kind kind = Kind::kPromptWeights;
  bool in_negative = false;  // whether it is about the negative prompt
  int tokens = 0;            // for kPromptCut: tokens the model reads; kLoraLayers: layers
  /// Start of the cut-off part of the prompt, the text in question, the names of LoRAs, those of
  /// styles that help, the class of the model's sampler, the LoRA and some of its layers, or the
  /// numbers of two people; at most kMostDetailBytes of UTF-8.
  std::string detail = {};
  bool operator==(const Warning&) const = default;

  static constexpr std::size_t kMostDetailBytes = 200;
};

/// The names of the prompts in messages.
struct PromptNames {
  std::string_view prompt = "prompt";
  std::string_view negative = "negative_prompt";
};

/// "prompt_weights", "prompt_cut", "sampler" and so on: for JSON.
std::string_view code_of(Warning::Kind kind);
std::optional<Warning::Kind> warning_kind(std::string_view code);

/// "prompt: the model reads 77 tokens; cut off: "..."".
std::string text_of(const Warning& warning, Language language, const PromptNames& names = {});

std::vector<std::string> texts_of(const std::vector<Warning>& warnings, Language language);

/// Sorted by Kind, the prompt's before the negative prompt's. `loras`: the request's, nullptr for
/// none. Throws what parse_prompts() throws, and Error(kCancelled) after `stop`.
std::vector<Warning> find_warnings(const OpenedModels& models, const Request& request,
                                   const AppliedLoras* loras, const std::stop_token& stop = {});

}  // namespace semblance
