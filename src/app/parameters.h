// The text that a picture carries about how it was made, in the convention of the AUTOMATIC1111 web
// UI (its "parameters"), which picture viewers and galleries read:
//
//   the prompt
//   Negative prompt: the negative prompt
//   Steps: 30, Sampler: Euler, CFG scale: 5, Seed: 42, Size: 1024x1024, Model: sdxl, ...
//
// What the picture does not have though it was asked for stands as "Warnings: "prompt: ..."".
// Prompts stand as they are, line breaks included; a value with a comma, a colon or a line break
// stands in JSON quotes. No folder of the user's machine is named, and nothing of the face.
#pragma once

#include <string>
#include <vector>

#include "image/encode.h"
#include "pipeline/picture_sampler.h"
#include "pipeline/warnings.h"

namespace semblance {

/// "semblance 0.1.0"
std::string program_version();

/// For a picture whose seed nobody named: below 2^31, as the published demo's.
std::uint64_t random_seed();

/// What beside the request shapes a picture.
struct MadeWith {
  std::filesystem::path base = {};  // only its last part is written
  Precision precision = Precision::kF32;
  std::string backend = "cpu";
  SchedulerConfig scheduler = {};      // the model's
  std::vector<Warning> warnings = {};  // written in English, so that a file is the same everywhere
};

std::string parameters_text(const Request& request, const MadeWith& made_with);

/// The texts that a picture file gets: "parameters" and "Software".
ImageText picture_text(const Request& request, const MadeWith& made_with);

}  // namespace semblance
