// What a run reads before it computes: the person, and the picture to start from.
#pragma once

#include <optional>
#include <vector>

#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/request_flags.h"

namespace semblance::cli {

/// The person and the position of the face in what is computed.
struct FaceInput {
  std::vector<float> embeddings;  // of each photo, [n,512]
  Keypoints keypoints{};
};

/// Reads all photos and closes the face models; notes how alike the photos are. Has `initial` cover
/// its face, if that is its mask. `request` is complete. Throws what SubjectReader::read() throws.
FaceInput read_face_input(const RequestSettings& s, std::optional<InitialPicture>& initial,
                          SubjectReader& reader, const Request& request, const Interrupt& interrupt,
                          Progress& progress);

/// What the computation starts from; nothing without a picture.
std::optional<StartPicture> read_initial(const RequestSettings& s,
                                         const std::optional<InitialPicture>& initial,
                                         const Request& request, const Interrupt& interrupt,
                                         Progress& progress);

}  // namespace semblance::cli
