// The picture that a new one starts from (image to image), and the mask of the part that is
// repainted (inpainting), read from files.
#pragma once

#include <memory>
#include <stop_token>
#include <vector>

#include "app/subject.h"
#include "image/mask.h"
#include "memory/file.h"
#include "pipeline/encoder.h"

namespace semblance {

/// Keeps no pixels: each function that needs some decodes them again.
class InitialPicture {
 public:
  /// `mask`: a picture, white where the other one is repainted; nullptr for everywhere. Throws
  /// Error(kArgument) for a mask of another size, and what probe() throws.
  explicit InitialPicture(std::shared_ptr<const File> picture,
                          std::shared_ptr<const File> mask = nullptr);

  /// With a mask that is made: an ellipse over each of some faces of the picture, a half wider and
  /// higher than its box. cover() adds a face, before anything but size() and stage() is called.
  static InitialPicture with_face_covered(std::shared_ptr<const File> picture);
  /// `face`: found in the picture. Throws Error(kArgument) for an identity without a box.
  void cover(const Identity& face);
  /// `box`: of the face in the picture's pixels.
  void cover(const Box& box) { faces_.push_back(box); }
  /// The faces that are covered, if that is how the mask is made.
  const std::vector<Box>& covered_faces() const { return faces_; }

  bool has_mask() const { return mask_ != nullptr || covers_face_; }
  /// Whether the picture is transparent somewhere. What lies beneath is used.
  bool has_alpha() const { return info_.has_alpha; }
  /// The size to compute: the given one. Else the file's own with its sides floored to multiples of
  /// 8, as in diffusers; for a mask's surroundings alone (Request::inpaint_area), its shape at the
  /// model's native area; with SizeRule::kReference, the size by the published rule. All of the
  /// picture with what it is extended by (Request::extends). Throws Error(kArgument) for sides that
  /// are too large, and for a picture that is extended and has a mask.
  Size size(const SizeChoice& choice, const Request& request, int native_side) const;

  // All below take a complete request.

  /// What the computation starts from: the picture, or the mask's surroundings with
  /// Request::inpaint_area, resized as diffusers' image processor does (Lanczos; a different shape
  /// is stretched). Throws Error(kArgument) for a mask that is black or white all over, what
  /// decode() throws, and Error(kCancelled).
  StartPicture open(const Request& request, std::stop_token stop = {}) const;
  /// The same of another picture of the finished one's scene: it is resized to that one's size, and
  /// then cut like this. Throws like open().
  Image open_alike(const File& other, const Request& request, std::stop_token stop = {}) const;
  /// Where a face found in the file's frame (PhotoOptions) is in what is computed.
  Keypoints keypoints(const Identity& face, const Request& request,
                      std::stop_token stop = {}) const;
  /// With a mask: the finished picture. What was made is laid over the original, blended at the
  /// mask's edge (Request::mask_blur); outside, the original's pixels are unchanged. Throws like
  /// open().
  Image finish(const Image& made, const Request& request, std::stop_token stop = {}) const;
  /// The size of the finished picture.
  Size finished_size(const Request& request) const;
  /// The memory that open() and finish() need, for planning.
  Stage stage(const Request& request) const;
  /// The memory that open_alike() needs.
  std::uint64_t bytes_alike(const File& other, const Request& request) const;

 private:
  bool takes_part(const Request& request) const;
  Image framed(Image picture, const PixelBox& part, const Request& request,
               const std::stop_token& stop) const;
  Size own_size(const Request& request) const;
  Image own_picture(const Request& request, const std::stop_token& stop) const;
  Image mask_picture(const Request& request, const std::stop_token& stop) const;
  Mask whole_mask(const Request& request, const std::stop_token& stop) const;
  Mask soft_mask(const Request& request, const std::stop_token& stop) const;
  PixelBox part_around(const Mask& soft_mask, const Request& request) const;
  PixelBox part_of(const Request& request, const std::stop_token& stop) const;
  std::uint64_t softening_bytes(const Request& request) const;

  std::shared_ptr<const File> picture_;
  std::shared_ptr<const File> mask_;
  bool covers_face_ = false;
  std::vector<Box> faces_ = {};
  ImageInfo info_;
  ImageInfo mask_info_ = {};
};

}  // namespace semblance
