// A second pass over a picture's face, with its progress.
#pragma once

#include <optional>
#include <string>

#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/results.h"
#include "pipeline/pipeline.h"

namespace semblance::cli {

/// Makes second passes over the picture's faces, as far as it is to have any (app/face_pass.h) and
/// there is room, and measures the likeness of what comes out; absent if it is not measured or no
/// face is found. `people`: as the picture was made with; `name`: the picture's, for messages.
std::optional<double> refine_and_measure(Image& picture, const Request& request,
                                         const People& people, const std::string& name,
                                         Pipeline& pipeline, const LikenessMeter& meter,
                                         const Interrupt& interrupt, Progress& progress);

}  // namespace semblance::cli
