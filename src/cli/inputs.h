// What a run reads before it computes: the person, and the picture to start from.
#pragma once

#include <optional>
#include <vector>

#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/request_flags.h"

namespace semblance::cli {

/// Reads the people from all photos and closes the face models; notes how alike the photos of a
/// person are. Has `initial` cover its face, if that is its mask. `request` is complete. Throws
/// what SubjectReader::read() and place_people() throw.
People read_face_input(const RequestSettings& s, std::optional<InitialPicture>& initial,
                       SubjectReader& reader, const Request& request, const Interrupt& interrupt,
                       Progress& progress);

/// What the computation starts from; nothing without a picture.
std::optional<StartPicture> read_initial(const RequestSettings& s,
                                         const std::optional<InitialPicture>& initial,
                                         const Request& request, const Interrupt& interrupt,
                                         Progress& progress);

}  // namespace semblance::cli
