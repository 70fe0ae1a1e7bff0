// A picture that is made in two passes (Request::hires): the second starts from the first one's
// picture, enlarged.
#pragma once

#include "pipeline/controls.h"
#include "pipeline/people.h"
#include "pipeline/request.h"

namespace semblance {

/// 2 with Request::hires, else 1.
int passes_of(const Request& whole);
/// What a pass computes, by itself: the first as if there were no other, the second like a picture
/// that starts from one (Request::strength). Their `hires` is 1.
Request pass_of(const Request& whole, int pass);
/// The size of the finished picture: the sides times `hires`, floored to multiples of 8.
Size finished_size(const Request& whole);

/// Evaluations of the model in the passes before this one. Throws what make_picture_sampler()
/// throws.
int evaluations_before(const Request& whole, int pass, const SchedulerConfig& config);

/// People in pixels of the first pass, in pixels of `pass`.
People people_of_pass(const People& people, const Request& whole, int pass);
/// The same pictures in the size of `pass`.
ControlPictures control_pictures_in(const ControlPictures& pictures, const Request& pass);

}  // namespace semblance
