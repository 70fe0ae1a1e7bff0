#include "cli/refine.h"

#include "app/face_pass.h"
#include "app/planning.h"
#include "core/messages.h"
#include "memory/buffer.h"

namespace semblance::cli {

Image refined(Image picture, const Request& request, const std::string& name, Pipeline& pipeline,
              const LikenessMeter& person, const Interrupt& interrupt, Progress& progress) {
  if (!person.measures()) return picture;
  const std::stop_token stop = interrupt.token();
  const auto face = face_to_refine(picture, request, *person.reader(), stop);
  if (!face) return picture;
  const FacePass pass(picture, *face, request, pipeline.native_side(),
                      pipeline.workspace().options().scratch_folder);
  const RequestPlan plan = pass.plan(pipeline);
  if (!plan.fits) {
    progress.warn(text_of(Message::kNoRoomForFacePass, name));
    return picture;
  }
  picture = {};
  progress.note(text_of(Message::kFacePass, name, pass.request().width, pass.request().height,
                        bytes_text(plan.peak_bytes), clock_text(plan.seconds)));
  Generation generation = pass.start(pipeline, person.photos(), stop);
  do {
    if (generation.step() < generation.steps())
      progress.step(name, generation.step() + 1, generation.steps());
  } while (generation.next(stop));
  progress.now(text_of(Message::kDecoding, name));
  return pass.finish(generation, stop);
}

}  // namespace semblance::cli
