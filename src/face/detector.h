// Finds faces in a picture: SCRFD, with insightface's steps and numbers.
//
// The picture is resized (bilinear, as OpenCV) to fit a square and put into its top left, the rest
// is black; RGB, (x - 127.5) / 128. Nine outputs: scores, boxes and keypoints for cells of 8, 16
// and 32 pixels, two anchors a cell. Scores from 0.5 on are kept, then overlaps beyond 0.4 are
// dropped. One thread at a time.
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

/// Sides of the square that are tried, one after the other, until a face is found: `first`, then 64
/// less each time, down to 192. Throws Error(kArgument) unless first is a multiple of 32 from 64 to
/// 2048.
std::vector<int> detector_sizes(int first);
inline constexpr int kDefaultDetectorSize = 640;
/// The order where memory is short: 320, a quarter of the work and memory, and only where that
/// finds no face the usual sizes from 640 on.
std::vector<int> reduced_detector_sizes();
/// The same for a model whose file fixes its frame: the longer side of the part that the photo is
/// fitted into, from the whole frame in tenths down to three. Of a frame of 640 these are
/// detector_sizes(640).
std::vector<int> fixed_detector_sizes(Size frame);

/// What detect() holds beside its network and the photo.
HeldBeside detector_beside(Size frame);

class Detector {
 public:
  /// Throws what open_onnx and import_onnx throw, and Error(kArgument) for a model that is no SCRFD
  /// with keypoints. The backend must outlive this.
  Detector(std::shared_ptr<const File> file, const Workspace& workspace);
  ~Detector();
  Detector(Detector&&) noexcept;
  Detector& operator=(Detector&&) noexcept;

  /// The one size that the model can be used at, where its file fixes one.
  std::optional<Size> fixed_size() const;

  /// The network at one size of the square (ignored where the model fixes its own), as detect()
  /// runs it. Throws what detect() throws.
  Imported network(int size) const;
  /// Gives back the network's memory where there is a budget; detect() takes it again.
  void release();

  /// Faces at one size of the square, the largest box first; none is an empty list. Where the model
  /// fixes its frame, the photo is fitted into a part of it whose longer side is `size` (all of it,
  /// where that is not less), which takes no more memory. Throws Error(kArgument) for an empty
  /// picture or a size that is no multiple of 32, Error(kCorrupt) for a model that gives no
  /// numbers, Error(kCancelled).
  std::vector<Detection> detect(const Image& image, int size, std::stop_token stop = {});
  /// Of the last detect(): the best of what was too uncertain to be a face, with a score from 0.2
  /// to 0.5. A hint at why there was none.
  const std::optional<Detection>& faint() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace semblance
