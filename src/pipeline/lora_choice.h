// LoRAs as requests name them, "FILE|NAME[:WEIGHT[:TEXT_WEIGHT]]", and the files that are meant.
//
// What has a '/' is a path; anything else is a name: of a file, with or without its extension, in
// the LoRA folders or in folders inside them, as in AUTOMATIC1111's models/Lora.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/parameter.h"

namespace semblance {

struct LoraChoice {
  std::string name;       // or a path
  float weight = 1;       // of the UNet
  float text_weight = 1;  // of both text encoders; the weight unless given

  bool is_path() const { return name.find('/') != std::string::npos; }
  /// The file's name without folders and extension.
  std::string short_name() const;
  bool operator==(const LoraChoice&) const = default;
};

/// Weights are from minus this to this.
inline constexpr float kMostLoraWeight = 100;

/// Throws Error(kArgument), "cannot take the LoRA TEXT: ...", for no name or a weight that is no
/// number of that range.
LoraChoice parse_lora(std::string_view text);
/// The shortest text that parse_lora() reads to the same choice.
std::string text_of(const LoraChoice& choice);
/// The same in AUTOMATIC1111's prompts: "<lora:NAME:0.8>" or "<lora:NAME:TEXT_WEIGHT:WEIGHT>".
std::string prompt_tag_of(const LoraChoice& choice);

/// The problem with a text, in the words of problem_of(). The service takes names only.
std::optional<std::string> lora_problem(std::string_view text, Asker asker);

/// Adds the LoRAs that a prompt names to those of a request; several of the same name add up. A
/// prompt's names are never paths: throws Error(kArgument) for one.
void add_prompt_loras(std::span<const LoraChoice> of_prompt, std::vector<std::string>& loras);

/// The folders in which names are looked up if the user gives none: "loras" beside the base model,
/// and semblance/loras in XDG_DATA_HOME or ~/.local/share.
std::vector<std::filesystem::path> default_lora_folders(const std::filesystem::path& base);
/// Only `given`, or the default folders if it is empty. Throws Error(kMissing) if `given` is no
/// folder; `flag` is for the message.
std::vector<std::filesystem::path> lora_folders(const std::filesystem::path& given,
                                                const std::filesystem::path& base,
                                                std::string_view flag);

/// The file of a choice. Throws Error(kMissing), with the nearest name, if there is none;
/// Error(kArgument) if several files have the name.
std::filesystem::path find_lora(const LoraChoice& choice,
                                std::span<const std::filesystem::path> folders);

}  // namespace semblance
