#include "pipeline/few_steps.h"

#include <algorithm>
#include <vector>

#include "core/ascii.h"

namespace semblance {
namespace {

/// Words of letters and digits, in lower case: "sdxl", "lightning", "4step", "lora".
std::vector<std::string> words_of(std::string_view name) {
  std::vector<std::string> words{""};
  for (const char c : lower(name)) {
    const bool is_part = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (is_part) words.back() += c;
    if (!is_part && !words.back().empty()) words.emplace_back();
  }
  return words;
}

class Name {
 public:
  explicit Name(std::string_view name) : words_(words_of(name)) {
    for (const std::string& word : words_) joined_ += word;
  }

  bool has_word(std::string_view beginning) const {
    return std::ranges::any_of(
        words_, [&](const std::string& word) { return word.starts_with(beginning); });
  }
  bool has(std::string_view part) const { return joined_.find(part) != std::string::npos; }
  /// The number before "step": 4 for "4step_lora" and "4-steps"; 0 if there is none.
  int steps() const {
    const std::size_t end = joined_.find("step");
    if (end == std::string::npos || end == 0) return 0;
    std::size_t begin = end;
    while (begin > 0 && end - begin < 2 && joined_[begin - 1] >= '0' && joined_[begin - 1] <= '9')
      --begin;
    return begin == end ? 0 : std::stoi(joined_.substr(begin, end - begin));
  }

 private:
  std::vector<std::string> words_;
  std::string joined_;
};

}  // namespace

FewSteps lcm_steps() {
  return {.name = "LCM",
          .scheduler = "lcm",
          .steps = {4, 6, 8},
          .guidance = 1.5F,
          .guidance_end = 0.34};
}

std::optional<FewSteps> few_steps_of(std::string_view text, bool is_lora) {
  const Name name(text);
  const int steps = name.steps();
  // Distilled for one number of steps.
  const auto steps_or = [steps](int fallback) {
    const int n = steps > 0 ? steps : fallback;
    return std::array{n, n, n};
  };
  if (name.has("lightning") && (!is_lora || steps > 0)) {
    return FewSteps{.name = "SDXL Lightning",
                    .scheduler = "euler",
                    .spacing = "trailing",
                    .steps = steps_or(4)};
  }
  if (name.has("hypersd")) {
    if (name.has("cfg"))
      return FewSteps{.name = "Hyper-SD with guidance",
                      .scheduler = "ddim",
                      .spacing = "trailing",
                      .steps = steps_or(8),
                      .guidance = 5};
    if (steps == 1)
      return FewSteps{
          .name = "Hyper-SD for 1 to 8 steps", .scheduler = "tcd", .steps = {1, 4, 8}, .eta = 1};
    return FewSteps{
        .name = "Hyper-SD", .scheduler = "ddim", .spacing = "trailing", .steps = steps_or(4)};
  }
  if (name.has("dmd2")) {
    return FewSteps{
        .name = "DMD2", .scheduler = "lcm", .spacing = "trailing", .steps = steps_or(4)};
  }
  if (is_lora ? name.has("xlturbo") : name.has("turbo")) {
    return FewSteps{
        .name = "SDXL Turbo", .scheduler = "euler_a", .spacing = "trailing", .steps = {2, 4, 4}};
  }
  if (name.has_word("lcm")) return lcm_steps();
  return std::nullopt;
}

std::optional<FewSteps> few_steps_of(const std::filesystem::path& path, bool is_lora) {
  constexpr int kFolders = 3;  // the file and what a cache adds: snapshots/COMMIT
  std::filesystem::path rest = path;
  for (int i = 0; i <= kFolders && !rest.empty(); ++i, rest = rest.parent_path()) {
    const std::string name = i == 0 ? rest.stem().string() : rest.filename().string();
    if (const auto found = few_steps_of(std::string_view(name), is_lora)) return found;
    if (rest == rest.parent_path()) break;
  }
  return std::nullopt;
}

}  // namespace semblance
