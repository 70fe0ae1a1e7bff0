// A second pass over a picture's face, with its progress.
#pragma once

#include <string>

#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/results.h"
#include "pipeline/pipeline.h"

namespace semblance::cli {

/// The picture after a second pass over its face, if it is to have one (app/face_pass.h) and there
/// are face models to find it. `name`: the picture's, for messages.
Image refined(Image picture, const Request& request, const std::string& name, Pipeline& pipeline,
              const LikenessMeter& person, const Interrupt& interrupt, Progress& progress);

}  // namespace semblance::cli
