// Finds faces in a picture: SCRFD, with insightface's steps and constants.
//
// The picture is resized (bilinear, as in OpenCV) to fit a square and placed at its top left; the
// rest is black; RGB, (x - 127.5) / 128. Nine outputs: scores, boxes and keypoints for cells of 8,
// 16 and 32 pixels, two anchors per cell. Scores of at least 0.5 are kept, then boxes that overlap
// a better one by more than 0.4 are dropped. One thread at a time.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <vector>

#include "face/face.h"
#include "image/image.h"
#include "onnx/importer.h"
#include "runtime/workspace.h"

namespace semblance {

/// The sides of the square to try in order until a face is found: `first`, then 64 less each time,
/// down to 192. Throws Error(kArgument) unless first is a multiple of 32 from 64 to 2048.
std::vector<int> detector_sizes(int first);
inline constexpr int kDefaultDetectorSize = 640;
/// The order to use if memory is short: 320, which takes a quarter of the work and memory, and only
/// if that finds no face the usual sizes from 640 on.
std::vector<int> reduced_detector_sizes();
/// The same for a model whose file fixes its frame: the longer side of the part that the photo must
/// fit, from the whole frame down to three tenths of it. For a frame of 640 these are
/// detector_sizes(640).
std::vector<int> fixed_detector_sizes(Size frame);

/// What detect() holds besides its network and the photo.
OtherMemory detector_memory(Size frame);

class Detector {
 public:
  /// Throws what open_onnx and import_onnx throw, and Error(kArgument) for a model that is not
  /// SCRFD with keypoints. The backend must outlive this.
  Detector(std::shared_ptr<const File> file, const Workspace& workspace);
  ~Detector();
  Detector(Detector&&) noexcept;
  Detector& operator=(Detector&&) noexcept;

  /// The only size that the model can be used at, if its file fixes one.
  std::optional<Size> fixed_size() const;

  /// The network that detect() runs for a size of the square (ignored if the model fixes its own).
  /// Throws what detect() throws.
  Imported network(int size) const;
  /// Frees the network's memory if there is a budget; detect() allocates it again.
  void release();

  /// Finds faces at one size of the square, the largest box first; empty if there are none. If the
  /// model fixes its frame, the photo is fitted into a part of it whose longer side is `size` (at
  /// most the whole frame), which takes no more memory. Throws Error(kArgument) for an empty
  /// picture or a size that is not a multiple of 32, Error(kCorrupt) if the model gives values that
  /// are not numbers, Error(kCancelled).
  std::vector<Detection> detect(const Image& image, int size, std::stop_token stop = {});
  /// The best detection of the last detect() that was too uncertain to be a face, with a score from
  /// 0.2 to 0.5. A hint at why there was none.
  const std::optional<Detection>& faint() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace semblance
