#include "face/face_models.h"

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
    fail(ErrorKind::kMissing, "cannot find the face models: {} is not there", folder.string());
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

FoundFaces find_faces(const Image& image, FaceModels& models, const FindOptions& options,
                      std::stop_token stop) {
  std::vector<int> sizes = sizes_tried(options.detector_size, options.reduced);
  if (const std::optional<Size> fixed = models.detector().fixed_size()) sizes = {fixed->w};
  FoundFaces found;
  std::vector<Detection> detections;
  for (const int size : sizes) {
    detections = models.detector().detect(image, size, stop);
    found.detector_size = size;
    if (!detections.empty()) break;
  }
  models.detector().release();  // one network at a time
  found.count = static_cast<int>(detections.size());
  if (options.largest_only && !detections.empty()) detections.resize(1);
  for (const Detection& detection : detections)
    found.faces.push_back({detection, models.recogniser().embed(image, detection.keypoints, stop)});
  return found;
}

}  // namespace semblance
