// Saves a run between two steps to a file, from which it resumes to the same picture, bit for bit.
// Resuming needs neither the photo nor face models. docs/resume.md describes the format.
//
//   save(generation.saved(), "out.png.resume");
//   Generation generation = pipeline.resume(load_saved_run("out.png.resume"));
#pragma once

#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/controls.h"
#include "pipeline/fingerprint.h"
#include "pipeline/hires.h"
#include "pipeline/people.h"
#include "pipeline/request.h"

namespace semblance {

/// The prompts of a picture that is still to be made.
struct SavedPrompts {
  std::string prompt;
  std::optional<std::string> negative;
  std::vector<std::string> people = {};
  bool operator==(const SavedPrompts&) const = default;
};

/// One of several pictures for the same output, of which the most alike is kept.
struct Candidate {
  std::uint64_t seed = 0;
  std::optional<double> likeness = {};  // absent: it shows no face
  bool operator==(const Candidate&) const = default;
};

struct SavedRun {
  Request request;
  People people;              // in pixels of the first pass
  ControlPictures controls;   // of request.controls, in the pass's size
  int pass = 0;               // pipeline/hires.h
  int step = 0;               // steps done in this pass
  std::vector<float> latent;  // [c,h/8,w/8] after these steps
  std::vector<float> kept;    // [k,c,h/8,w/8], the sampler's state then; empty if it has none
  // With a mask, until the last step: the latent of the picture to start from, [c,h/8,w/8], and
  // what is repainted, [h/8,w/8].
  std::vector<float> picture;
  std::vector<float> mask;
  std::int64_t latent_channels = 4;

  // What else affects the last bits of a picture.
  Precision precision = Precision::kF32;  // never auto
  std::string backend = "cpu";
  int threads = 1;

  ModelPaths models;          // absolute paths at the time
  Fingerprints fingerprints;  // of these models

  // For resuming: absolute paths of the picture in progress, then of those that follow with
  // consecutive seeds. Of neighbours with the same path the most alike one is kept.
  std::vector<std::filesystem::path> outputs;
  std::optional<Candidate> best;  // in the first output's file
  // Of the face models that measure the likeness: absolute, empty if they are not given.
  std::filesystem::path face_models, detector, recogniser;
  std::vector<SavedPrompts> following;    // of the pictures that follow; none: as in `request`
  std::filesystem::path lora_dir;         // where the prompts' LoRAs were looked up; empty: default
  std::filesystem::path init, mask_file;  // absolute paths of the picture to start from; or empty
  /// In place of the mask's file: the boxes in that picture of the faces that are covered.
  std::vector<std::array<float, 4>> mask_faces;
  std::filesystem::path latents;  // path of the final latent, or empty
  bool metadata = true;           // whether pictures store their settings as text

  /// What the pass computes.
  Request current() const { return pass_of(request, pass); }
};

/// Writes the file; only its owner can read a new one. Throws what OutputFile throws.
void save(const SavedRun& run, const std::filesystem::path& path);

/// Throws Error(kCorrupt) for a file that is truncated, damaged, inconsistent or of another
/// version, Error(kArgument) for a file that is not a saved run, and what open_file throws.
SavedRun load_saved_run(const std::filesystem::path& path);

}  // namespace semblance
