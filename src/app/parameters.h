// The text in a picture file that says how it was made, in the "parameters" format of the
// AUTOMATIC1111 web UI, which picture viewers and galleries read:
//
//   the prompt
//   Negative prompt: the negative prompt
//   Steps: 30, Sampler: Euler, CFG scale: 5, Seed: 42, Size: 1024x1024, Model: sdxl, ...
//
// Requested features that the picture lacks are listed as "Warnings: "prompt: ..."". Prompts are
// verbatim, line breaks included; a value with a comma, a colon or a line break is JSON-quoted.
// "Likeness: 0.62" is the cosine of the recogniser's embeddings of the picture's face and the
// person.
// The text contains no folder of the user's machine and nothing about the face.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "image/encode.h"
#include "pipeline/picture_sampler.h"
#include "pipeline/warnings.h"

namespace semblance {

/// "semblance 0.1.0"
std::string program_version();

/// A seed for a picture without a given one: below 2^31, as in the published demo.
std::uint64_t random_seed();

/// What shapes a picture besides the request.
struct MadeWith {
  std::filesystem::path base = {};  // only the last part is written
  ModelPaths parts = {};            // those in place of the base's parts
  Precision precision = Precision::kF32;
  std::string backend = "cpu";
  SchedulerConfig scheduler = {};       // the model's
  std::vector<Warning> warnings = {};   // in English, so that files are the same everywhere
  std::optional<double> likeness = {};  // of the face to the person
};

/// The model's name: the last part of its path, without a weight file's extension.
std::string model_name(const std::filesystem::path& base);

/// "0.623"
std::string likeness_text(double likeness);

std::string parameters_text(const Request& request, const MadeWith& made_with);

/// The texts of a picture file: "parameters" and "Software".
ImageText picture_text(const Request& request, const MadeWith& made_with);

}  // namespace semblance
