#include "cli/refine.h"

#include "app/face_pass.h"
#include "app/planning.h"
#include "core/messages.h"
#include "memory/buffer.h"

namespace semblance::cli {
namespace {

/// Whether it changed the picture.
bool refine(Image& picture, const FoundFaces& found, const Request& request, const People& people,
            const std::string& name, Pipeline& pipeline, const Interrupt& interrupt,
            Progress& progress) {
  const std::stop_token stop = interrupt.token();
  bool is_changed = false;
  for (const FaceToRefine& face : faces_to_refine(found, picture.size(), request, people)) {
    const FacePass pass(picture, face, request, people, pipeline.native_side(),
                        pipeline.workspace().options().scratch_folder);
    const RequestPlan plan = pass.plan(pipeline);
    if (!plan.fits) {
      progress.warn(text_of(Message::kNoRoomForFacePass, name));
      continue;
    }
    picture = {};
    progress.note(text_of(Message::kFacePass, name, pass.request().width, pass.request().height,
                          bytes_text(plan.peak_bytes), clock_text(plan.seconds)));
    Generation generation = pass.start(pipeline, stop);
    do {
      if (generation.step() < generation.steps())
        progress.step(name, generation.step() + 1, generation.steps());
    } while (generation.next(stop));
    progress.now(text_of(Message::kDecoding, name));
    picture = pass.finish(generation, stop);
    is_changed = true;
  }
  return is_changed;
}

}  // namespace

std::optional<double> refine_and_measure(Image& picture, const Request& request,
                                         const People& people, const std::string& name,
                                         Pipeline& pipeline, const LikenessMeter& meter,
                                         const Interrupt& interrupt, Progress& progress) {
  if (!meter.measures()) return std::nullopt;
  FoundFaces found = meter.faces(picture, interrupt.token());
  if (refine(picture, found, request, people, name, pipeline, interrupt, progress))
    found = meter.faces(picture, interrupt.token());
  return meter.of(found);
}

}  // namespace semblance::cli
