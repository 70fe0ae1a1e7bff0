// The syntax of prompts, as the AUTOMATIC1111 web UI and InstantID's full pipeline read it:
//
//   (x)                weight 1.1; (x:1.3) weight 1.3; [x] weight 1/1.1; nesting multiplies
//   \( \) \[ \] \\     the character itself; any other backslash is dropped
//   BREAK              starts a new group of tokens
//   <lora:name:0.8>    names a LoRA; it is taken out of the text
//
// A bracket that is never closed counts to the end; a closing one that was never opened is text.
// [a:b:0.5], [a|b] and AND, by which that web UI changes or mixes prompts, are text here.
// Pure functions, thread-safe. They look at ASCII alone, so that any bytes may come.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace semblance {

/// Text of one weight.
struct PromptPiece {
  std::string text;
  double weight = 1;
  bool operator==(const PromptPiece&) const = default;
};

/// "<lora:name:text_weight:weight>". One number is both; "te=" and "unet=" name them.
struct LoraTag {
  std::string name;  // never empty; as it was typed: no path that could be trusted
  double weight = 1;
  double text_weight = 1;
  bool operator==(const LoraTag&) const = default;
};

struct ParsedPrompt {
  /// At least one part; BREAK stands between two. No piece is empty, and no two neighbours have
  /// the same weight.
  std::vector<std::vector<PromptPiece>> parts;
  std::vector<LoraTag> loras;  // in the order of the text; a name may come twice
  std::string text;            // as it came, without <lora:...>
  bool is_plain = false;       // the pieces are `text` itself: there is no syntax in it
  std::string schedule;        // the first "[a:b:0.5]" or "[a|b]", or empty
  bool has_and = false;        // the word AND
};

/// Weights lie between minus this and this.
inline constexpr double kMostPromptWeight = 100;

/// Throws Error(kArgument) for a weight beyond kMostPromptWeight, and for a <lora:...> without a
/// name or with a weight that is no number. Time grows with
/// the square of nested brackets: 64 KiB of them take some 0.1 s.
ParsedPrompt parse_prompt(std::string_view prompt);
/// The same where brackets, backslashes and BREAK are text: one piece of weight 1. LoRAs are taken
/// out all the same.
ParsedPrompt parse_plain_prompt(std::string_view prompt);

}  // namespace semblance
