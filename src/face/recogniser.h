// Describes a face by 512 numbers: ArcFace. The face is aligned to 112 x 112 by its keypoints; RGB,
// (x - 127.5) / 127.5. One thread at a time.
#pragma once

#include <memory>
#include <stop_token>

#include "face/face.h"
#include "image/image.h"
#include "memory/file.h"
#include "onnx/importer.h"
#include "runtime/workspace.h"

namespace semblance {

class Recogniser {
 public:
  /// Reads the weights (a real model has 65 million). Throws what open_onnx, import_onnx and
  /// Session throw, and Error(kArgument) for a model that does not turn 112 x 112 faces into 512
  /// numbers. The backend must outlive this.
  Recogniser(std::shared_ptr<const File> file, const Workspace& workspace,
             std::stop_token stop = {});
  ~Recogniser();
  Recogniser(Recogniser&&) noexcept;
  Recogniser& operator=(Recogniser&&) noexcept;

  const Imported& network() const;
  /// Throws like align_face; Error(kCorrupt) if the model gives values that are not numbers;
  /// Error(kCancelled).
  FaceEmbedding embed(const Image& image, const Keypoints& keypoints, std::stop_token stop = {});

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace semblance
