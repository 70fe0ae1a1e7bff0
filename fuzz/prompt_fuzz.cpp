// links: semblance_text
// Feeds what reads prompts as people write them. The first byte says what: 0 to 3, the rest is a
// prompt and, behind a byte 0xff, a negative prompt, for the syntax, the groups of tokens and the
// choices; above, it is a file of styles.
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "core/error.h"
#include "text/language_hint.h"
#include "text/prompt_tokens.h"
#include "text/styles.h"
#include "text/wildcards.h"

namespace {

namespace fs = std::filesystem;
using namespace semblance;

void expect(bool is_true) {
  if (!is_true) __builtin_trap();
}

const fs::path& folder() {
  static const fs::path kFolder = [] {
    const fs::path path =
        fs::temp_directory_path() / ("semblance_prompt_fuzz_" + std::to_string(getpid()));
    fs::create_directories(path / "tokenizer");
    fs::create_directories(path / "wildcards");
    const fs::path goldens = fs::path(SEMBLANCE_SOURCE_DIR) / "tests" / "goldens" / "text";
    for (const fs::path& source : {goldens / "vocab.json", goldens / "merges.txt",
                                   goldens / "first" / "tokenizer_config.json",
                                   goldens / "first" / "special_tokens_map.json"}) {
      fs::copy_file(source, path / "tokenizer" / source.filename(),
                    fs::copy_options::overwrite_existing);
    }
    std::ofstream(path / "wildcards" / "a.txt") << "red\n{x|__b__}\n0.5::blue\n";
    std::ofstream(path / "wildcards" / "b.txt") << "# none\none\n";
    return path;
  }();
  return kFolder;
}

const Tokenizer& tokenizer() {
  static const Tokenizer kTokenizer = Tokenizer::load(folder() / "tokenizer");
  return kTokenizer;
}

void check(const PromptGroups& groups, const GroupShape& shape) {
  const auto length = static_cast<std::size_t>(shape.length);
  expect(!groups.ids.empty() && groups.ids.size() % length == 0);
  expect(groups.weights.size() == groups.ids.size());
  expect(groups.last_length >= 2 && groups.last_length <= shape.length);
  for (std::size_t i = 0; i < groups.ids.size(); ++i) {
    expect(groups.ids[i] >= -3 && groups.ids[i] < tokenizer().size());
    expect(std::abs(groups.weights[i]) <= static_cast<float>(kMostPromptWeight));
    if (i % length == 0) expect(groups.ids[i] == shape.start_id && groups.weights[i] == 1);
  }
}

PromptParts tokens(std::string_view prompt) {
  static const std::vector<VectorWord> kWords{{"bad", 0, 2}, {"<x>", 2, 1}};
  const ParsedPrompt parsed = parse_prompt(prompt);
  for (const std::vector<PromptPiece>& part : parsed.parts) {
    for (const PromptPiece& piece : part)
      expect(!piece.text.empty() && std::abs(piece.weight) <= kMostPromptWeight);
  }
  expect(!parsed.is_plain || parsed.parts.size() == 1);
  for (const LoraTag& lora : parsed.loras) expect(!lora.name.empty());
  return tokens_of(parsed, tokenizer(), kWords);
}

void use_prompts(std::string_view prompt, std::string_view negative) {
  static_cast<void>(looks_not_english(prompt));
  static_cast<void>(estimated_tokens(prompt));
  const GroupShape shape = group_shape(tokenizer(), prompt.size() % 2 == 0 ? 77 : 5);
  const PromptParts of_prompt = tokens(prompt);
  const PromptParts of_negative = tokens(negative);
  PromptGroups own = a1111_groups(of_prompt, shape);
  check(own, shape);
  add_empty_groups(own, own.count(shape) + 1, shape);
  fill_behind_end(own.ids, shape, 0);
  check(own, shape);
  const std::vector<PromptParts> parts{of_negative, of_prompt};
  const std::vector<PromptGroups> both = weighted_groups(parts, shape);
  check(both[0], shape);
  check(both[1], shape);
  expect(both[0].ids.size() == both[1].ids.size());
  expect(both[0].last_length == both[1].last_length);
}

void draw(std::string_view text) {
  constexpr std::size_t kMost = 4096;
  for (const bool has_files : {false, true}) {
    Wildcards wildcards = has_files ? Wildcards(folder() / "wildcards") : Wildcards();
    ChoiceDraw first(7);
    const std::string drawn = draw_choices(text, first, wildcards, kMost);
    expect(drawn.size() <= kMost);
    ChoiceDraw second(7);
    expect(draw_choices(text, second, wildcards, kMost) == drawn);
  }
}

void use_styles(std::string_view text) {
  const fs::path file = folder() / "styles";
  std::ofstream(file, std::ios::binary | std::ios::trunc) << text;
  const Styles styles(file);
  for (const Style& style : styles.all()) {
    std::string prompt = "a man";
    std::optional<std::string> negative;
    apply(style, prompt, negative);
    expect(!style.name.empty() && styles.find(style.name, "x").name.size() == style.name.size());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t end = std::min(rest.find('\xff'), rest.size());
  try {
    if (data[0] < 4) {
      draw(rest.substr(0, end));
      use_prompts(rest.substr(0, end), rest.substr(std::min(end + 1, rest.size())));
    } else {
      use_styles(rest);
    }
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kInternal) __builtin_trap();
  }
  return 0;
}
