#include "cli/photo_flags.h"

#include "core/error.h"

namespace semblance::cli {

void PhotoFlags::declare_models(Flags& flags, std::string folder_help) {
  flags.path("--face-models", "DIR", std::move(folder_help), files.folder);
  flags.path("--detector", "FILE",
             "Face detector to use instead of the folder's: a SCRFD model (ONNX).", files.detector);
  flags.path("--recogniser", "FILE",
             "Face recogniser to use instead of the folder's: an ArcFace model (ONNX).",
             files.recogniser);
}

void PhotoFlags::declare_advanced(Flags& flags) {
  flags.choice("--photo-size",
               "Size at which photos are analysed. published: resized as InstantID's scripts do, "
               "with a long side of 1280 pixels. original: not resized. Default: published.",
               {"published", "original"}, size);
  flags.whole("--detector-size",
              "Side in pixels of the square the photo is scaled to for face detection, a multiple "
              "of 32 from 64 to 2048. Larger sizes find smaller faces. If no face is found, "
              "smaller sizes are tried. Ignored by detectors with a fixed size. Default: 640; when "
              "memory is short, 320 and then 640.",
              64, 2048, detector_size);
}

void PhotoFlags::find_models(IfMissing if_missing) {
  if (files.folder.empty() && (!files.detector.empty() || !files.recogniser.empty())) return;
  files.folder = resolve_face_models(files.folder, if_missing);
}

void PhotoFlags::check() const {
  if (detector_size && *detector_size % 32 != 0) {
    fail(ErrorKind::kArgument, "cannot take --detector-size: expected a multiple of 32, got {}",
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
