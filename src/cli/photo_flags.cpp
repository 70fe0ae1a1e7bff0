#include "cli/photo_flags.h"

#include "core/error.h"

namespace semblance::cli {

void PhotoFlags::declare_models(Flags& flags, std::string folder_help) {
  flags.path("--face-models", "DIR", std::move(folder_help), files.folder);
  flags.path("--detector", "FILE", "A SCRFD detector (ONNX) in place of the folder's.",
             files.detector);
  flags.path("--recogniser", "FILE", "An ArcFace recogniser (ONNX) in place of the folder's.",
             files.recogniser);
}

void PhotoFlags::declare_advanced(Flags& flags) {
  flags.choice("--photo-size",
               "Size in which a photo is looked at. published: resized as InstantID's scripts do, "
               "long side 1280. original: as it is. Default: published.",
               {"published", "original"}, size);
  flags.whole("--detector-size",
              "Side of the square that the photo is fitted into to look for faces: larger finds "
              "smaller faces. A multiple of 32, 64 to 2048. Where none is found, smaller ones are "
              "tried. A detector that fixes its own size keeps it. Default: 640; where memory is "
              "short, 320 and then 640.",
              64, 2048, detector_size);
}

void PhotoFlags::find_models(NotThere not_there) {
  if (files.folder.empty() && (!files.detector.empty() || !files.recogniser.empty())) return;
  files.folder = resolve_face_models(files.folder, not_there);
}

void PhotoFlags::check() const {
  if (detector_size && *detector_size % 32 != 0) {
    fail(ErrorKind::kArgument, "--detector-size: a multiple of 32 is needed, {} came",
         *detector_size);
  }
}

PhotoOptions PhotoFlags::options(std::string backend, bool reduced) const {
  return {.original_size = size == 1,
          .detector_size =
              detector_size ? std::optional(static_cast<int>(*detector_size)) : std::nullopt,
          .reduced = reduced,
          .backend = std::move(backend)};
}

}  // namespace semblance::cli
