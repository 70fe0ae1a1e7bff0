// What a request asks for, or its model, that the picture will not have: it is made all the same.
// Found once, before anything is computed; every front end tells it, and the picture's text keeps
// it.
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

struct OpenedModels;

struct Warning {
  enum class Kind : std::uint8_t {
    kPromptWeights,  // "(snow:1.3)" is read as plain text
    kPromptCut,      // the prompt is longer than the model reads
    kSampler,        // the model names another sampler than Euler
  };
  Kind kind = Kind::kPromptWeights;
  bool in_negative = false;  // of which prompt
  int tokens = 0;            // that the model reads, where a prompt is cut
  /// Where the rest of the prompt begins, or the class of the model's sampler: at most
  /// kMostDetailBytes of UTF-8.
  std::string detail = {};
  bool operator==(const Warning&) const = default;

  static constexpr std::size_t kMostDetailBytes = 200;
};

/// What the prompts are called in messages.
struct PromptNames {
  std::string_view prompt = "prompt";
  std::string_view negative = "negative_prompt";
};

/// "prompt_weights", "prompt_cut" or "sampler": for JSON.
std::string_view code_of(Warning::Kind kind);
std::optional<Warning::Kind> warning_kind(std::string_view code);

/// "prompt: the model reads 77 tokens; cut off: "..."".
std::string text_of(const Warning& warning, Language language, const PromptNames& names = {});

std::vector<std::string> texts_of(const std::vector<Warning>& warnings, Language language);

/// In the order of Kind, the prompt's before the negative prompt's. Throws Error(kArgument) for a
/// prompt that is not UTF-8, and Error(kCancelled) after `stop`.
std::vector<Warning> find_warnings(const OpenedModels& models, const Request& request,
                                   const std::stop_token& stop = {});

}  // namespace semblance
