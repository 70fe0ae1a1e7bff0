// ControlNets beside IdentityNet as requests name them, "model=FILE|DIR|NAME,image=FILE,...", and
// the files that are meant.
//
// A model with a '/' is a path; anything else is a name: of a file, with or without its extension,
// or of a diffusers folder, in the ControlNet folders or in folders inside them.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/parameter.h"

namespace semblance {

/// What is made of the picture before the ControlNet reads it.
enum class Prepare : std::uint8_t { kNone, kCanny };
inline constexpr std::array<std::string_view, 2> kPrepareNames{"none", "canny"};

/// The types of pictures that Union nets take, in the order of their embeddings.
inline constexpr std::array<std::string_view, 8> kControlTypes{
    "pose", "depth", "scribble", "canny", "normal", "segment", "tile", "repaint"};

struct ControlChoice {
  std::string model;          // a name or path
  std::string image = {};     // path of the picture; empty if it is sent with the request
  float strength = 0.4F;      // of the residuals; as in InstantID's demo with several ControlNets
  double start = 0, end = 1;  // fractions of the steps; it is off outside
  Prepare prepare = Prepare::kNone;
  std::optional<int> type = {};  // index in kControlTypes, for a Union net

  bool is_path() const { return model.find('/') != std::string::npos; }
  /// The model's name without folders and extension.
  std::string short_name() const;
  bool operator==(const ControlChoice&) const = default;
};

/// Strengths are from 0 to this.
inline constexpr float kMostControlStrength = 5;

/// Throws Error(kArgument), "cannot take the ControlNet: ...", for no model, an unknown key or a
/// value outside its range.
ControlChoice parse_control(std::string_view text);
std::vector<ControlChoice> parse_controls(std::span<const std::string> texts);
/// The shortest text that parse_control() reads to the same choice.
std::string text_of(const ControlChoice& choice);

/// The problem with a text, in the words of problem_of(). The service takes names only, and the
/// picture from the request.
std::optional<std::string> control_problem(std::string_view text, Asker asker);

/// The folders in which names are looked up if the user gives none: "controlnet" beside the base
/// model, and semblance/controlnet in XDG_DATA_HOME or ~/.local/share.
std::vector<std::filesystem::path> default_control_folders(const std::filesystem::path& base);
/// Only `given`, or the default folders if it is empty. Throws Error(kMissing) if `given` is no
/// folder; `flag` is for the message.
std::vector<std::filesystem::path> control_folders(const std::filesystem::path& given,
                                                   const std::filesystem::path& base,
                                                   std::string_view flag);

/// The names in the folders, each once, in alphabetical order; of diffusers folders only those of
/// ControlNets.
std::vector<std::string> control_names(std::span<const std::filesystem::path> folders);

/// The file or folder of a choice. Throws Error(kMissing), with the nearest name, if there is none;
/// Error(kArgument) if several have the name.
std::filesystem::path find_control(const ControlChoice& choice,
                                   std::span<const std::filesystem::path> folders);

}  // namespace semblance
