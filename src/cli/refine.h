// A second pass over a picture's face, with its progress.
#pragma once

#include <string>

#include "app/subject.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "pipeline/pipeline.h"

namespace semblance::cli {

/// Makes second passes over the picture's faces, as far as it is to have any (app/face_pass.h) and
/// there is room; returns whether it made one. `found`: its faces; `people`: as it was made with;
/// `name`: the picture's, for messages.
bool refine(Image& picture, const FoundFaces& found, const Request& request, const People& people,
            const std::string& name, Pipeline& pipeline, const Interrupt& interrupt,
            Progress& progress);

}  // namespace semblance::cli
