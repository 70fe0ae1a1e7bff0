// The detector and the recogniser together: finds the faces in a photo.
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

/// Looks for the published names of insightface's packs in a folder: antelopev2
/// (scrfd_10g_bnkps.onnx, glintr100.onnx), then buffalo_l (det_10g.onnx, w600k_r50.onnx). They may
/// be in the folder itself, in a folder with the pack's name (nested twice in antelopev2's zip), or
/// in models/, where insightface keeps them. Throws Error(kMissing), which lists the names.
FaceModelFiles find_face_models(const std::filesystem::path& folder);

/// One thread at a time.
class FaceModels {
 public:
  /// Opens both models. Throws what Detector and Recogniser throw.
  FaceModels(const FaceModelFiles& files, const Workspace& workspace, std::stop_token stop = {});

  Detector& detector() { return detector_; }
  Recogniser& recogniser() { return recogniser_; }

 private:
  Detector detector_;
  Recogniser recogniser_;
};

struct FindOptions {
  /// Tries detector_sizes() of this; if absent, the sizes of the mode. Ignored if the model fixes
  /// its own.
  std::optional<int> detector_size = {};
  /// If no size is given: whether to use reduced_detector_sizes() instead of detector_sizes(640).
  bool reduced = false;
  bool largest_only = false;
};
/// The sizes to try, in order, for a model that does not fix its own.
std::vector<int> sizes_tried(std::optional<int> detector_size, bool reduced);
/// Why no face was found, judging by the best uncertain detection.
enum class NoFace {
  kUnclear,   // there is none, or its size is good
  kTooLarge,  // it fills the photo
  kTooSmall,  // it has less than 24 pixels in the frame of the first try
};
struct FoundFaces {
  std::vector<Face> faces;
  int count = 0;                      // faces in the picture, including those without an embedding
  int detector_size = 0;              // the one that found them, or the last one tried
  NoFace no_face = NoFace::kUnclear;  // the reason if there are none
  bool fixed_size = false;            // the model fixes the size, so no other can be requested
};
/// All faces, the largest box first, or only the largest. Tries the detector at one size after
/// another until it finds one; empty if there are none. Throws what detect and embed throw.
FoundFaces find_faces(const Image& image, FaceModels& models, const FindOptions& options = {},
                      std::stop_token stop = {});

}  // namespace semblance
