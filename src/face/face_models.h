// The detector and the recogniser together: a photo becomes faces.
#pragma once

#include <filesystem>
#include <optional>
#include <stop_token>
#include <vector>

#include "face/detector.h"
#include "face/recogniser.h"

namespace semblance {

struct FaceModelFiles {
  std::filesystem::path detector;
  std::filesystem::path recogniser;
};

/// The published names of insightface's packs in a folder: antelopev2 (scrfd_10g_bnkps.onnx,
/// glintr100.onnx), then buffalo_l (det_10g.onnx, w600k_r50.onnx). They may lie in the folder
/// itself, in one of the pack's name (nested once more, as the zip of antelopev2 has it), or in
/// models/ as insightface keeps them. Throws Error(kMissing) that lists what was looked for.
FaceModelFiles find_face_models(const std::filesystem::path& folder);

/// One thread at a time.
class FaceModels {
 public:
  /// Opens both. Throws what Detector and Recogniser throw.
  FaceModels(const FaceModelFiles& files, const Workspace& workspace, std::stop_token stop = {});

  Detector& detector() { return detector_; }
  Recogniser& recogniser() { return recogniser_; }

 private:
  Detector detector_;
  Recogniser recogniser_;
};

struct FindOptions {
  /// Sizes are detector_sizes() from here on down. Absent: those of the mode. Ignored where the
  /// model fixes its own.
  std::optional<int> detector_size = {};
  /// Where no size is given: reduced_detector_sizes(), else detector_sizes(640).
  bool reduced = false;
  bool largest_only = false;
};
/// The sizes that are tried, in order, for a model that does not fix its own.
std::vector<int> sizes_tried(std::optional<int> detector_size, bool reduced);
/// Why no face was found, as far as the best of what was too uncertain tells.
enum class NoFace {
  kUnclear,   // nothing was like a face, or what was has a good size
  kTooLarge,  // it fills the photo
  kTooSmall,  // it has less than 24 pixels in the frame of the first try
};
struct FoundFaces {
  std::vector<Face> faces;
  int count = 0;          // of faces in the picture, also of those that were not recognised
  int detector_size = 0;  // the one that found them, or the last that was tried
  NoFace no_face = NoFace::kUnclear;  // where there are none
  bool fixed_size = false;            // the model's, so that no other can be asked for
};
/// All faces, the largest box first, or the largest alone. The detector is tried at one size after
/// the other until it finds one; none is an empty list. Throws what detect and embed throw.
FoundFaces find_faces(const Image& image, FaceModels& models, const FindOptions& options = {},
                      std::stop_token stop = {});

}  // namespace semblance
