// A request's prompts as the text encoders read them: which encoding, how many groups of tokens,
// and their ids and weights. A plan asks for the numbers alone, so that it knows how long the text
// is before anything is encoded. docs/reference.md, section 3, tells what each encoding computes.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "pipeline/opened_models.h"
#include "pipeline/request.h"
#include "text/prompt_syntax.h"

namespace semblance {

/// In the order of kEncodingNames (pipeline/request.h). auto is plain where a prompt has no syntax
/// and fits in one group, else weighted.
enum class PromptEncoding : std::uint8_t { kAuto, kPlain, kWeighted, kA1111 };
PromptEncoding encoding_of(const Request& request);

struct PromptLayout {
  PromptEncoding encoding = PromptEncoding::kPlain;  // never auto
  int texts = 1;                                     // prompts: one, or one for each person
  int prompts = 1;           // encoded ones, the negative prompt first; another half is zeros
  int groups = 1;            // how often the encoders run, each time on a group of each prompt
  int tokens = 0;            // of the text that the UNet reads: of all groups
  bool has_vectors = false;  // words of the prompts stand for vectors (textual inversion)

  /// The group at whose end the pooled vector is taken.
  int pooled_group() const { return encoding == PromptEncoding::kWeighted ? groups - 1 : 0; }
  /// Whether the negative prompt is encoded, as the first.
  bool has_negative() const { return prompts > texts; }
};

struct PromptInputs {
  PromptLayout layout;
  std::array<std::vector<std::int32_t>, 2> ids = {};  // of each encoder, [groups,prompts,length];
                                                      // below 0: row -1 - id of the vectors
  std::vector<float> weights = {};                    // [groups,prompts,length]
};

/// Throws Error(kArgument) for a prompt that is not UTF-8 or that parse_prompt() refuses,
/// Error(kShape) for encoders that cannot read the same ids, Error(kCancelled). Without tokenizers
/// (assume_models()) there are no ids, and the numbers are estimated.
PromptInputs read_prompts(const OpenedModels& models, const Request& request,
                          const std::stop_token& stop = {});

/// The negative prompt and the prompts of a request (prompts_of()), parsed as its encoding says.
/// Throws what parse_prompt() throws.
std::vector<ParsedPrompt> parse_prompts(const Request& request);
/// The request's LoRAs, then those that its prompts name; a negative prompt's have no effect.
/// Throws what parse_prompt() and add_prompt_loras() throw, and Error(kArgument) for too many.
std::vector<std::string> loras_of(const Request& request);
/// Throws what loras_of() throws.
void check_prompts(const Request& request);

/// Of requests that differ in their prompts alone the one that needs the most time and memory: with
/// the longest text, then the most LoRAs. Throws what read_prompts() and loras_of() throw.
const Request& most_demanding(const OpenedModels& models, std::span<const Request> requests);

}  // namespace semblance
