// Prompts as groups of tokens, each as long as a text encoder reads at once (77: a start token, 75
// of the prompt, an end token), and a weight for each token. So prompts may have any length.
//
// Three ways, by what the groups are to be equal to:
//
//   plain     diffusers: one group, what does not fit is cut off, brackets are text
//   weighted  InstantID's full pipeline: prompt and negative prompt are filled up with end tokens
//             to the same length; the last group is as long as what is left, and may be empty.
//             BREAK fills a group up. (The published code reads BREAK as a word.) Weights are
//             rounded to 16-bit floats, as there.
//   a1111     the AUTOMATIC1111 web UI: groups are filled up with end tokens; where a group is full
//             and a comma is among its last 20 tokens, what follows the comma goes into the next
//
// Sources: docs/reference.md, section 3; InstantID's
// pipeline_stable_diffusion_xl_instantid_full.py; the web UI's modules/sd_hijack_clip.py. Pure
// functions, thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "text/prompt_syntax.h"
#include "text/tokenizer.h"

namespace semblance {

/// A word that stands for vectors of its own in place of tokens: a textual inversion.
struct VectorWord {
  std::string word;  // found whatever the case of its ASCII letters; not inside of other words
  std::int32_t first_row = 0;
  std::int32_t rows = 0;
};

struct PromptToken {
  std::int32_t id = 0;  // below 0: row -1 - id of the vectors
  float weight = 1;
  std::int32_t together = 1;  // of a word's first vector, how many stay in one group
};

/// Ids of a text without syntax; vectors' rows r as -1 - r. Throws what tokenize() throws.
std::vector<std::int32_t> ids_of(std::string_view text, const Tokenizer& tokenizer,
                                 std::span<const VectorWord> words,
                                 const std::stop_token& stop = {});

/// The tokens of each part between two BREAKs.
using PromptParts = std::vector<std::vector<PromptToken>>;
PromptParts tokens_of(const ParsedPrompt& prompt, const Tokenizer& tokenizer,
                      std::span<const VectorWord> words, const std::stop_token& stop = {});

/// What all groups have in common.
struct GroupShape {
  int length = 77;  // tokens of a group, start and end included; at least 3
  std::int32_t start_id = 0;
  std::int32_t end_id = 0;
  std::int32_t comma_id = -1;

  int room() const { return length - 2; }
};
GroupShape group_shape(const Tokenizer& tokenizer, int length);

struct PromptGroups {
  std::vector<std::int32_t> ids;  // [groups,length]
  std::vector<float> weights;     // [groups,length]; 1 for start, end and filling
  int last_length = 0;  // of the last group; what is behind it is filling that is not read

  std::size_t count(const GroupShape& shape) const {
    return ids.size() / static_cast<std::size_t>(shape.length);
  }
};

/// One group: start, the ids that fit, end, filled up with `pad_id`.
PromptGroups plain_group(std::span<const std::int32_t> ids, const GroupShape& shape,
                         std::int32_t pad_id);
/// Of prompts that are read together, a negative one among them; all have as many groups.
std::vector<PromptGroups> weighted_groups(std::span<const PromptParts> prompts,
                                          const GroupShape& shape);
PromptGroups a1111_groups(const PromptParts& prompt, const GroupShape& shape);
/// Adds groups without a token of the prompt, up to `count`.
void add_empty_groups(PromptGroups& groups, std::size_t count, const GroupShape& shape);
/// Puts `pad_id` behind the first end token of each group: the second encoder's filling.
void fill_behind_end(std::span<std::int32_t> ids, const GroupShape& shape, std::int32_t pad_id);

/// About how many tokens a text has, for a plan without a tokenizer: one for a word of up to eight
/// letters, a digit, or two signs.
int estimated_tokens(std::string_view text);

}  // namespace semblance
