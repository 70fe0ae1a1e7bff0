// A second pass over a face that came out small (Request::refine_faces): the model has few pixels
// for it, so it is repainted at the model's own size and put back, as `semblance swap` does with a
// face of another picture.
#pragma once

#include <optional>
#include <stop_token>
#include <vector>

#include "app/initial_picture.h"
#include "app/subject.h"
#include "pipeline/pipeline.h"

namespace semblance {

/// A face is small below this part of the picture's shorter side.
inline constexpr float kSmallFace = 1.0F / 8;

/// Whether a picture of this request can have second passes: not with a mask.
bool may_refine(const Request& request);

/// A face of a finished picture that is to be repainted, and whose it is.
struct FaceToRefine {
  Identity face;
  std::size_t person = 0;
};
/// The largest face, or of several people the one in each person's place, if the request says so or
/// the face is small. `found`: SubjectReader::faces_of_result() of a picture of this size;
/// `people`: as it was made with.
std::vector<FaceToRefine> faces_to_refine(const FoundFaces& found, Size picture,
                                          const Request& request, const People& people);

class FacePass {
 public:
  /// `people`: as the picture was made with. Keeps the picture in a file without a name in
  /// `folder`.
  FacePass(const Image& picture, const FaceToRefine& face, const Request& request,
           const People& people, int native_side, const std::filesystem::path& folder);

  /// What the pass computes. ControlNets have no part in it.
  const Request& request() const { return request_; }
  /// Plans it. It takes memory of its own, so it may not fit where the picture did.
  RequestPlan plan(const Pipeline& pipeline) const;
  /// Throws what Pipeline::start() throws.
  Generation start(Pipeline& pipeline, std::stop_token stop = {}) const;
  /// The whole picture, with what the generation made of the face.
  Image finish(Generation& generation, std::stop_token stop = {}) const;

 private:
  InitialPicture initial_;
  Identity face_;
  std::vector<float> embeddings_;  // of the person's photos
  Request request_;
};

}  // namespace semblance
