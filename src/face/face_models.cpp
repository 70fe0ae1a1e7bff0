#include "face/face_models.h"

#include <algorithm>

namespace semblance {

namespace fs = std::filesystem;

FaceModelFiles find_face_models(const fs::path& folder) {
  struct Pack {
    const char* name;
    const char* detector;
    const char* recogniser;
  };
  constexpr Pack kPacks[] = {{"antelopev2", "scrfd_10g_bnkps.onnx", "glintr100.onnx"},
                             {"buffalo_l", "det_10g.onnx", "w600k_r50.onnx"}};
  std::error_code ignored;
  if (!fs::exists(folder, ignored))
    fail(ErrorKind::kMissing, "cannot find the face models: there is no folder {}",
         folder.string());
  for (const Pack& pack : kPacks) {
    const fs::path name = pack.name;
    for (const fs::path& inside :
         {fs::path(), name, name / name, "models" / name, "models" / name / name}) {
      const FaceModelFiles files{folder / inside / pack.detector,
                                 folder / inside / pack.recogniser};
      if (fs::exists(files.detector, ignored) && fs::exists(files.recogniser, ignored))
        return files;
    }
  }
  fail(ErrorKind::kMissing,
       "cannot find the face models in {}: it needs {} and {} (antelopev2), or {} and {} "
       "(buffalo_l)\n  name other files with --detector FILE --recogniser FILE",
       folder.string(), kPacks[0].detector, kPacks[0].recogniser, kPacks[1].detector,
       kPacks[1].recogniser);
}

FaceModels::FaceModels(const FaceModelFiles& files, const Workspace& workspace,
                       std::stop_token stop)
    : detector_(open_file(files.detector), workspace),
      recogniser_(open_file(files.recogniser), workspace, stop) {}

std::vector<int> sizes_tried(std::optional<int> detector_size, bool reduced) {
  if (reduced && !detector_size) return reduced_detector_sizes();
  return detector_sizes(detector_size.value_or(kDefaultDetectorSize));
}

namespace {

NoFace why_none(const Image& photo, const Detection& faint, int first_size) {
  const float w = faint.box[2] - faint.box[0];
  const float h = faint.box[3] - faint.box[1];
  const auto photo_w = static_cast<float>(photo.width());
  const auto photo_h = static_cast<float>(photo.height());
  constexpr float kLargePart = 0.6F, kSmallPixels = 24;
  if (std::max(w / photo_w, h / photo_h) > kLargePart) return NoFace::kTooLarge;
  const float scale = static_cast<float>(first_size) / std::max(photo_w, photo_h);
  return std::max(w, h) * scale < kSmallPixels ? NoFace::kTooSmall : NoFace::kUnclear;
}

}  // namespace

FoundFaces find_faces(const Image& image, FaceModels& models, const FindOptions& options,
                      std::stop_token stop) {
  std::vector<int> sizes = sizes_tried(options.detector_size, options.reduced);
  const std::optional<Size> fixed = models.detector().fixed_size();
  if (fixed) sizes = fixed_detector_sizes(*fixed);
  FoundFaces found;
  found.fixed_size = fixed.has_value();
  std::optional<Detection> faint;
  std::vector<Detection> detections;
  for (const int size : sizes) {
    detections = models.detector().detect(image, size, stop);
    found.detector_size = size;
    if (!detections.empty()) break;
    const std::optional<Detection>& here = models.detector().faint();
    if (here && (!faint || here->score > faint->score)) faint = here;
  }
  if (detections.empty() && faint) {
    found.no_face = why_none(image, *faint, *std::max_element(sizes.begin(), sizes.end()));
  }
  models.detector().release();  // one network at a time
  found.count = static_cast<int>(detections.size());
  if (options.largest_only && !detections.empty()) detections.resize(1);
  for (const Detection& detection : detections)
    found.faces.push_back({detection, models.recogniser().embed(image, detection.keypoints, stop)});
  return found;
}

}  // namespace semblance
