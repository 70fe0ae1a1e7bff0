// A second pass over a face that came out small (Request::refine_faces): the model has few pixels
// for it, so it is repainted at the model's own size and put back, as `semblance swap` does with a
// face of another picture.
#pragma once

#include <optional>
#include <span>
#include <stop_token>

#include "app/initial_picture.h"
#include "app/subject.h"
#include "pipeline/pipeline.h"

namespace semblance {

/// A face is small below this part of the picture's shorter side.
inline constexpr float kSmallFace = 1.0F / 8;

/// The face of a finished picture that is to be repainted: its largest one, if the request says so
/// or it is small. None if the request has a mask or several people, and if the picture shows no
/// face. Opens the reader's face models, which must be given, and closes them.
std::optional<Identity> face_to_refine(const Image& picture, const Request& request,
                                       SubjectReader& reader, std::stop_token stop = {});

class FacePass {
 public:
  /// `face`: face_to_refine(). Keeps the picture in a file without a name in `folder`.
  FacePass(const Image& picture, const Identity& face, const Request& request, int native_side,
           const std::filesystem::path& folder);

  /// What the pass computes. ControlNets have no part in it.
  const Request& request() const { return request_; }
  /// Plans it. It takes memory of its own, so it may not fit where the picture did.
  RequestPlan plan(const Pipeline& pipeline) const;
  /// `embeddings`: as for Pipeline::start(), which throws the same.
  Generation start(Pipeline& pipeline, std::span<const float> embeddings,
                   std::stop_token stop = {}) const;
  /// The whole picture, with what the generation made of the face.
  Image finish(Generation& generation, std::stop_token stop = {}) const;

 private:
  InitialPicture initial_;
  Identity face_;
  Request request_;
};

}  // namespace semblance
