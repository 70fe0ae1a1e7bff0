#include "pipeline/lora_choice.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "core/closest.h"
#include "core/error.h"
#include "pipeline/named_files.h"
#include "weights/names.h"

namespace semblance {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 4> kExtensions{".safetensors", ".pt", ".ckpt", ".bin"};

std::optional<float> weight_in(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  float value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool is_number = error == std::errc() && end == text.data() + text.size();
  return is_number ? std::optional(value) : std::nullopt;
}

/// A choice, or what is wrong with the text.
struct Read {
  LoraChoice choice;
  std::optional<std::string> problem = {};
};

constexpr std::string_view kRule = "a LoRA as FILE|NAME[:WEIGHT[:TEXT_WEIGHT]]";

Read read(std::string_view text) {
  Read read;
  std::vector<float> weights;  // from the end
  std::string_view name = text;
  while (weights.size() < 2) {
    const std::size_t colon = name.rfind(':');
    if (colon == std::string_view::npos) break;
    const std::optional<float> weight = weight_in(name.substr(colon + 1));
    if (!weight) break;
    weights.push_back(*weight);
    name = name.substr(0, colon);
  }
  const std::string shown = '\'' + printable(text) + '\'';
  const std::size_t colon = name.rfind(':');
  const bool ends_in_word = colon != std::string_view::npos && name.find('/', colon) == name.npos;
  // With both weights, what is before them is the path, whatever it has.
  const bool is_path = weights.size() == 2 && name.find('/') != std::string_view::npos;
  if (name.empty() || has_control_bytes(name)) read.problem = expected(kRule, shown);
  if (ends_in_word && !is_path) {
    read.problem = expected(fmt::format("a number after each ':' of {}", kRule), shown);
  }
  for (const float weight : weights) {
    // NaN is not in the range.
    if (weight >= -kMostLoraWeight && weight <= kMostLoraWeight) continue;
    read.problem = expected(
        fmt::format("a LoRA's weight from {} to {}", -kMostLoraWeight, kMostLoraWeight), shown);
  }
  read.choice.name = name;
  if (!weights.empty()) read.choice.weight = weights.back();
  read.choice.text_weight = weights.size() > 1 ? weights.front() : read.choice.weight;
  return read;
}

bool is_lora_file(const fs::path& path) {
  return std::ranges::find(kExtensions, path.extension().string()) != kExtensions.end();
}

std::vector<fs::path> files_in(const fs::path& folder) {
  return models_under(folder, [](const fs::directory_entry& entry) {
    std::error_code ignored;
    return is_lora_file(entry.path()) && entry.is_regular_file(ignored);
  });
}

}  // namespace

std::string LoraChoice::short_name() const {
  const fs::path path(name);
  return is_lora_file(path) ? path.stem().string() : path.filename().string();
}

LoraChoice parse_lora(std::string_view text) {
  const Read made = read(text);
  if (made.problem) fail(ErrorKind::kArgument, "cannot take the LoRA: {}", *made.problem);
  return made.choice;
}

std::string text_of(const LoraChoice& choice) {
  // Without weights, a name that ends in ":1" would be read as one.
  if (choice.weight == choice.text_weight && choice.weight == 1 &&
      choice.name.find(':') == std::string::npos)
    return choice.name;
  if (choice.weight == choice.text_weight && choice.name.find(':') == std::string::npos)
    return fmt::format("{}:{}", choice.name, choice.weight);
  return fmt::format("{}:{}:{}", choice.name, choice.weight, choice.text_weight);
}

std::string prompt_tag_of(const LoraChoice& choice) {
  if (choice.weight == choice.text_weight)
    return fmt::format("<lora:{}:{}>", choice.short_name(), choice.weight);
  return fmt::format("<lora:{}:{}:{}>", choice.short_name(), choice.text_weight, choice.weight);
}

std::optional<std::string> lora_problem(std::string_view text, Asker asker) {
  const Read made = read(text);
  if (made.problem) return made.problem;
  const std::string& name = made.choice.name;
  if (asker == Asker::kService && !is_plain_name(name)) {
    return expected("the name of a LoRA in the service's LoRA folder",
                    '\'' + printable(name) + '\'');
  }
  return std::nullopt;
}

void add_prompt_loras(std::span<const LoraChoice> of_prompt, std::vector<std::string>& loras) {
  for (const LoraChoice& choice : of_prompt) {
    std::string text = text_of(choice);
    if (const auto problem = lora_problem(text, Asker::kService)) {
      fail(ErrorKind::kArgument, "cannot take <lora:{}> in the prompt: {}", printable(choice.name),
           *problem);
    }
    loras.push_back(std::move(text));
  }
}

std::vector<fs::path> default_lora_folders(const fs::path& base) {
  return default_folders(base, "loras");
}

std::vector<fs::path> lora_folders(const fs::path& given, const fs::path& base,
                                   std::string_view flag) {
  if (given.empty()) return default_lora_folders(base);
  return {given_folder(given, "models/Lora", flag, "LoRA files")};
}

fs::path find_lora(const LoraChoice& choice, std::span<const fs::path> folders) {
  if (choice.is_path()) {
    std::error_code ignored;
    if (!fs::exists(choice.name, ignored))
      fail(ErrorKind::kMissing, "cannot open the LoRA {}: it does not exist", choice.name);
    return choice.name;
  }
  std::vector<std::string> known;
  for (const fs::path& folder : folders) {
    std::vector<fs::path> found;
    for (const fs::path& file : files_in(folder)) {
      known.push_back(file.stem().string());
      if (known.back() == choice.name || file.filename() == choice.name) found.push_back(file);
    }
    if (found.size() > 1) {
      fail(ErrorKind::kArgument,
           "cannot choose the LoRA {}: two files have that name, {} and {}\n  rename one of them",
           choice.name, found[0].lexically_relative(folder).string(),
           found[1].lexically_relative(folder).string());
    }
    if (!found.empty()) return found.front();
  }
  const std::vector<std::string_view> words(known.begin(), known.end());
  fail(
      ErrorKind::kMissing,
      "cannot find the LoRA {}: the LoRA folders have no file of that name{}\n  put {}.safetensors "
      "into one of them, or choose another with --lora-dir",
      printable(choice.name), did_you_mean(choice.name, words), printable(choice.name));
}

}  // namespace semblance
