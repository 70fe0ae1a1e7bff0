// A run that stopped between two steps, in a file from which it goes on to the same picture, bit
// for bit. No photo and no face model is needed any more. docs/resume.md tells the file's format.
//
//   save(generation.saved(), "out.png.resume");
//   Generation generation = pipeline.resume(load_saved_run("out.png.resume"));
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "image/keypoints.h"
#include "pipeline/fingerprint.h"
#include "pipeline/request.h"

namespace semblance {

struct SavedRun {
  Request request;
  std::vector<float> embedding;
  Keypoints keypoints{};      // in pixels of the picture to be made
  int step = 0;               // steps that are done
  std::vector<float> latent;  // [c,h/8,w/8] after them
  std::int64_t latent_channels = 4;

  // What else the last bits of a picture depend on.
  Precision precision = Precision::kF32;  // never auto
  std::string backend = "cpu";
  int threads = 1;

  ModelPaths models;          // where they lay, absolute
  Fingerprints fingerprints;  // of what they were

  // For the program that goes on: where the picture goes, then those still to be made with seeds
  // counted up; absolute.
  std::vector<std::filesystem::path> outputs;
  std::filesystem::path latents;  // where the final latent goes as well, or empty
  bool metadata = true;           // pictures carry the text of how they were made
};

/// Writes the file; a new one can be read by its owner alone. Throws what OutputFile throws.
void save(const SavedRun& run, const std::filesystem::path& path);

/// Throws Error(kCorrupt) for a file that is truncated, damaged, of another version or that no
/// saved run can be, Error(kArgument) for one that is something else, and what open_file throws.
SavedRun load_saved_run(const std::filesystem::path& path);

}  // namespace semblance
